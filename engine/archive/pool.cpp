// Starts the threads, bounds the queue, and hands each thread as many questions as one statement looks up.
#include "engine/archive/pool.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "engine/archive/pg_worker.h"
#include "engine/base/try.h"
#include "engine/postgres/session.h"

namespace flashclaim::archive {
namespace {

constexpr std::size_t kTogether = 64;  ///< claims that one statement looks up
constexpr auto kLookAgain = std::chrono::milliseconds(100);

}  // namespace

Pool::Pool(const PoolOptions& options) : options_(options) {
  for (int i = 0; i < options_.threads; ++i) threads_.emplace_back([this, i] { serve(i + 1); });
}

Result<std::unique_ptr<Pool>> Pool::start(const PoolOptions& options) {
  TRY(postgres::check_url(options.pg_url));
  return std::unique_ptr<Pool>(new Pool(options));
}

Pool::~Pool() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  for (const Question& question : queue_) question.refuse(http::Problem::kNotReady);
}

void Pool::ask(Question question) {
  (std::holds_alternative<ClaimId>(question.about) ? counters_.claims : counters_.held).fetch_add(1);
  {
    std::lock_guard lock(mutex_);
    if (queue_.size() < options_.waiting_max) {
      queue_.push_back(std::move(question));
      counters_.waiting.store(queue_.size());
      changed_.notify_one();
      return;
    }
  }
  counters_.full.fetch_add(1);
  question.refuse(http::Problem::kBusy);
}

void Pool::serve(int number) {
  PgWorker worker(options_.pg_url, "flashclaim-archive-" + std::to_string(number), counters_);
  std::vector<Question> questions;
  do {
    worker.answer(questions);
  } while (take(questions, worker.connected()));
}

/// Waits for questions. Without a connection it waits only kLookAgain and may return none: then the worker tries to
/// connect.
bool Pool::take(std::vector<Question>& questions, bool connected) {
  questions.clear();
  std::unique_lock lock(mutex_);
  const auto something = [this] { return stopping_ || !queue_.empty(); };
  if (connected) {
    changed_.wait(lock, something);
  } else {
    changed_.wait_for(lock, kLookAgain, something);
  }
  if (stopping_) return false;
  const auto n = static_cast<std::ptrdiff_t>(std::min(kTogether, queue_.size()));
  std::move(queue_.begin(), queue_.begin() + n, std::back_inserter(questions));
  queue_.erase(queue_.begin(), queue_.begin() + n);
  counters_.waiting.store(queue_.size());
  return true;
}

}  // namespace flashclaim::archive
