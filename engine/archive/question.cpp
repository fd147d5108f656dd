// The inbox: a mutex, a list of answers, and a post to the loop for the first of them.
#include "engine/archive/question.h"

#include <utility>

#include "engine/loop/loop.h"

namespace flashclaim::archive {

void Inbox::put(ArchiveReply answer) {
  std::lock_guard lock(mutex_);
  if (!loop_) return;
  answers_.push_back(std::move(answer));
  if (answers_.size() == 1) loop_->post([self = shared_from_this()] { self->give_all(); });
}

void Inbox::close() {
  std::lock_guard lock(mutex_);
  loop_ = nullptr;
  answers_.clear();
}

void Inbox::give_all() {
  std::vector<ArchiveReply> answers;
  {
    std::lock_guard lock(mutex_);
    answers.swap(answers_);
  }
  for (const ArchiveReply& answer : answers) give_(answer);
}

}  // namespace flashclaim::archive
