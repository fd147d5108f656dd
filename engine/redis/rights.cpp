// See rights.h. What tests/access holds: the user of each program is denied none, and every other user one at least.
#include "engine/redis/rights.h"

#include "engine/redis/keys.h"

namespace flashclaim::redis {
namespace {

using Questions = std::vector<std::vector<std::string>>;

const CouponKeys& nobodys() {
  static const CouponKeys kKeys(0);
  return kKeys;
}
const std::string kReadyKey(kReady);
const std::string kIssuingKey(kIssuing);
const EntryId kNoEntry{1, 0};

/// The right to write numbers, strings and fields is asked for with what is none: refused before anything changes.
Questions engine_questions() {
  const CouponKeys& keys = nobodys();
  const std::string user = keys.user(0);
  return {
      {"FCALL", "claim", "4", keys.coupon, keys.stock, keys.claims, kReadyKey, "x"},
      {"FCALL_RO", "claim_view", "4", keys.coupon, keys.claims, keys.result(kNoEntry), kReadyKey, "1", "1-0", "0"},
      {"FCALL_RO", "coupon_view", "3", keys.coupon, keys.stock, kReadyKey},
      {"XADD", keys.claims, "NOMKSTREAM", "*", "x", "x"},
      {"MSET", user, "x", user},
      {"DECRBY", keys.stock, "x"},
      {"HINCRBY", keys.coupon, "x", "x"},
      {"SET", keys.idempotency(0, "x"), "x", "XX"},
  };
}

Questions mirror_questions() {
  const CouponKeys& keys = nobodys();
  return {
      {"FCALL", "mark_suspect", "1", keys.coupon, "x"},
      {"FCALL", "retire_coupon", "3", keys.coupon, keys.claims, kIssuingKey, "x"},
      {"XREADGROUP", "GROUP", "mirror", "x", "STREAMS", keys.claims, ">"},
      {"XACK", keys.claims, "mirror", "1-0"},
      {"XAUTOCLAIM", keys.claims, "mirror", "x", "1", "0"},
      {"XGROUP", "CREATE", keys.claims, "mirror", "0"},
      {"HSET", keys.coupon, "x", "x", "x"},
      {"HINCRBY", keys.coupon, "x", "x"},
      {"SREM", kIssuingKey, "x"},
      {"SET", "coupon:sweeper:{0}", "x", "XX"},
  };
}

Questions consumer_questions() {
  const CouponKeys& keys = nobodys();
  const std::string user = keys.user(0);
  return {
      {"FCALL", "finish", "5", keys.coupon, keys.stock, keys.claims, keys.dead, keys.result(kNoEntry), "x"},
      {"FCALL", "mark_dead", "2", keys.claims, keys.dead, "x"},
      {"FCALL", "reconcile_fix", "2", keys.coupon, keys.stock, "x"},
      {"FCALL", "user_counts_fix", "1", keys.coupon, "x"},
      {"FCALL", "rebuild_freeze", "2", keys.coupon, keys.claims, "x"},
      {"FCALL", "apply_state", "5", keys.coupon, keys.stock, keys.claims, kReadyKey, kIssuingKey, "x"},
      {"FCALL_RO", "coupon_view", "3", keys.coupon, keys.stock, kReadyKey},
      {"FCALL_RO", "entry_view", "2", keys.claims, keys.result(kNoEntry), "x"},
      {"FCALL_RO", "reconcile_counters", "1", keys.coupon, "x"},
      {"FCALL_RO", "reconcile_snapshot", "1", keys.coupon, "x"},
      {"FCALL_RO", "user_counts", "1", keys.coupon, "x"},
      {"EXPIRE", "coupon:returned:{0}", "1"},
      {"MSET", user, "x", user},
      {"DEL", user},
      {"HSET", keys.coupon, "x", "x", "x"},
      {"HDEL", keys.coupon, "x"},
      {"HINCRBY", keys.coupon, "x", "x"},
      {"INCRBY", keys.stock, "x"},
      {"XDEL", keys.claims, "1-0"},
      {"SREM", keys.dead, "x"},
      {"SET", keys.result(kNoEntry), "x", "XX"},
  };
}

}  // namespace

std::string_view word(User user) {
  switch (user) {
    case User::kEngine:
      return "engine";
    case User::kMirror:
      return "mirror";
    case User::kConsumer:
      return "consumer";
  }
  return {};
}

const Questions& rights_questions(User user) {
  static const Questions kEngine = engine_questions();
  static const Questions kMirror = mirror_questions();
  static const Questions kConsumer = consumer_questions();
  if (user == User::kEngine) return kEngine;
  return user == User::kMirror ? kMirror : kConsumer;
}

std::string denied(const std::vector<std::string>& question, ReplyView reply) {
  if (reply.error_code() != "NOPERM" && reply.error_code() != "NOAUTH") return "";
  return question[0].starts_with("FCALL") ? question[0] + " " + question[1] : question[0];
}

std::string rights_text(User user, const std::string& denied) {
  if (denied.empty()) return "ok";
  return "this login may not " + denied + ": log in as the user " + std::string(word(user)) +
         " (`flashctl access users`)";
}

Result<std::string> missing_right(Client& client, User user) {
  const Questions& questions = rights_questions(user);
  for (const auto& question : questions) client.append(question);
  std::string missing;
  Result<std::string> result = missing;
  for (const auto& question : questions) {
    const auto reply = client.read();
    if (!reply) {
      result = reply.error();
    } else if (missing.empty()) {
      missing = denied(question, reply->view());
    }
  }
  return result ? Result<std::string>(missing) : result;
}

}  // namespace flashclaim::redis
