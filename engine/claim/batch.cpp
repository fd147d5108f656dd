// Writes the FCALL in RESP while claims are added; the counts are filled in at the end.
#include "engine/claim/batch.h"

#include <cassert>
#include <charconv>
#include <cstring>

#include "engine/redis/functions.h"

namespace flashclaim::claim {
namespace {

constexpr std::size_t kHeadroom = 16;
constexpr std::size_t kFixedWords = 7;  // FCALL claim 4 and the four keys

void append_length(std::string& out, std::size_t size) {
  char text[24] = "$";
  auto [end, error] = std::to_chars(text + 1, text + sizeof text, size);
  *end++ = '\r';
  *end++ = '\n';
  out.append(text, static_cast<std::size_t>(end - text));
}

void append_word(std::string& out, std::string_view word) {
  append_length(out, word.size());
  out.append(word).append("\r\n");
}

}  // namespace

void Batch::begin(const redis::CouponKeys& keys) {
  waiters_.clear();
  resp_.assign(kHeadroom, ' ');
  for (std::string_view word :
       {std::string_view("FCALL"), std::string_view("claim"), std::string_view("4"), std::string_view(keys.coupon),
        std::string_view(keys.stock), std::string_view(keys.claims), redis::kReady})
    append_word(resp_, word);
}

void Batch::add(const Waiter& waiter, std::string_view user, std::string_view key) {
  assert(!full());
  waiters_.push_back(waiter);
  append_length(resp_, key.empty() ? user.size() : user.size() + 1 + key.size());
  resp_.append(user);
  if (!key.empty()) resp_.append(1, ':').append(key);
  resp_.append("\r\n");
}

std::string_view Batch::command() {
  char head[kHeadroom] = "*";
  auto [end, error] = std::to_chars(head + 1, head + kHeadroom - 2, kFixedWords + waiters_.size());
  *end++ = '\r';
  *end++ = '\n';
  auto size = static_cast<std::size_t>(end - head);
  std::memcpy(resp_.data() + kHeadroom - size, head, size);
  return std::string_view(resp_).substr(kHeadroom - size);
}

bool Batch::full() const { return waiters_.size() >= redis::kClaimBatchMax; }

}  // namespace flashclaim::claim
