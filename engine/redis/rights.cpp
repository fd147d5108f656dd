// The questions for each program; tests/access holds: its own user is denied none, every other user at least one.
#include "engine/redis/rights.h"

#include "engine/redis/errors.h"
#include "engine/redis/finished.h"
#include "engine/redis/keys.h"

namespace flashclaim::redis {
namespace {

const CouponKeys& nobodys() {
  static const CouponKeys kKeys(0);
  return kKeys;
}
const std::string kReadyKey(kReady);
const std::string kIssuingKey(kIssuing);
const EntryId kNoEntry{1, 0};

Questions engine_questions() {
  const CouponKeys& keys = nobodys();
  const std::string user = keys.user(0);
  const std::string idempotency = keys.idempotency(0, "x");
  return {
      {"FCALL", "claim", "4", keys.coupon, keys.stock, keys.claims, kReadyKey, "x"},
      {"FCALL_RO", "claim_view", "4", keys.coupon, keys.claims, keys.result(kNoEntry), kReadyKey, "1", "1-0", "0"},
      {"FCALL_RO", "coupon_view", "3", keys.coupon, keys.stock, kReadyKey},
      {"FCALL_RO", "flashclaim_version", "0"},
      {"SMEMBERS", kIssuingKey},
      {"SSUBSCRIBE", finished_channel(0)},
      {"SUNSUBSCRIBE", finished_channel(0)},
      {"CONFIG", "GET", "appendonly"},
      // inside the functions
      {"TIME"},
      {"EXISTS", kReadyKey},
      {"GET", idempotency},
      {"GET", keys.result(kNoEntry)},
      {"MGET", user, user},
      {"HGET", keys.coupon, "x"},
      {"HMGET", keys.coupon, "x"},
      {"XRANGE", keys.claims, "1-0", "1-0"},
      {"XADD", keys.claims, "NOMKSTREAM", "*", "x", "x"},
      {"MSET", user, "x", user},
      {"DECRBY", keys.stock, "x"},
      {"HINCRBY", keys.coupon, "x", "x"},
      {"SET", idempotency, "x", "XX"},
  };
}

Questions mirror_questions() {
  const CouponKeys& keys = nobodys();
  const std::string sweeper = sweeper_key(0);
  return {
      {"FCALL", "mark_suspect", "1", keys.coupon, "x"},
      {"FCALL", "retire_coupon", "3", keys.coupon, keys.claims, kIssuingKey, "x"},
      {"INFO", "replication"},
      {"SMEMBERS", kIssuingKey},
      {"SMISMEMBER", keys.dead, "1-0"},
      {"XREADGROUP", "GROUP", "mirror", "x", "STREAMS", keys.claims, ">"},
      {"XACK", keys.claims, "mirror", "1-0"},
      {"XAUTOCLAIM", keys.claims, "mirror", "x", "1", "0"},
      {"XGROUP", "CREATE", keys.claims, "mirror", "0"},
      {"XRANGE", keys.claims, "1-0", "1-0"},
      {"XINFO", "STREAM", keys.claims},
      {"XINFO", "GROUPS", keys.claims},
      {"GET", sweeper},
      {"SET", sweeper, "x", "XX"},
      {"PTTL", sweeper},
      {"GET", std::string(kReplication)},
      {"SET", std::string(kReplication), "x", "XX"},
      // inside the functions
      {"TIME"},
      {"EXISTS", keys.coupon},
      {"HGET", keys.coupon, "x"},
      {"HMGET", keys.coupon, "x"},
      {"HSET", keys.coupon, "x", "x", "x"},
      {"HINCRBY", keys.coupon, "x", "x"},
      {"XLEN", keys.claims},
      {"XPENDING", keys.claims, "mirror"},
      {"SREM", kIssuingKey, "x"},
  };
}

Questions consumer_questions() {
  const CouponKeys& keys = nobodys();
  const std::string user = keys.user(0);
  const std::string returned = "coupon:returned:{0}";
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
      {"FCALL_RO", "flashclaim_version", "0"},
      {"SMEMBERS", kIssuingKey},
      {"XRANGE", keys.claims, "-", "+"},
      // inside the functions
      {"TIME"},
      {"EXISTS", keys.coupon},
      {"GET", keys.stock},
      {"GET", keys.result(kNoEntry)},
      {"MGET", user, user},
      {"HGET", keys.coupon, "x"},
      {"HMGET", keys.coupon, "x"},
      {"XLEN", keys.claims},
      {"XINFO", "STREAM", keys.claims},
      {"LRANGE", returned, "0", "1"},
      {"MSET", user, "x", user},
      {"DEL", user},
      {"HSET", keys.coupon, "x", "x", "x"},
      {"HDEL", keys.coupon, "x"},
      {"HINCRBY", keys.coupon, "x", "x"},
      {"INCRBY", keys.stock, "x"},
      {"XDEL", keys.claims, "1-0"},
      {"XGROUP", "CREATE", keys.claims, "mirror", "0"},
      {"SADD", keys.dead, "1-0"},
      {"SREM", keys.dead, "1-0"},
      {"SADD", kIssuingKey, "0"},
      {"SET", keys.result(kNoEntry), "x", "XX"},
      {"RPUSH", returned, "x"},
      {"LTRIM", returned, "1", "0"},
      {"EXPIRE", returned, "1"},
      {"SPUBLISH", finished_channel(0), "x"},
  };
}

/// Whoever may not end it must not begin it: what follows would be carried out, or nothing ever again.
std::vector<Questions> in_rounds(Questions questions) {
  questions.insert(questions.begin(), {"MULTI"});
  questions.push_back({"DISCARD"});
  return {{{"DISCARD"}}, {{"MULTI"}, {"DISCARD"}}, std::move(questions)};
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

const std::vector<Questions>& rights_questions(User user) {
  static const auto kEngine = in_rounds(engine_questions());
  static const auto kMirror = in_rounds(mirror_questions());
  static const auto kConsumer = in_rounds(consumer_questions());
  if (user == User::kEngine) return kEngine;
  return user == User::kMirror ? kMirror : kConsumer;
}

std::string denied(const std::vector<std::string>& question, ReplyView reply) {
  if (!reply.is_error() || error_of(reply).code != ErrorCode::kDenied) return "";
  return question.size() > 1 ? question[0] + ' ' + question[1] : question[0];
}

std::string rights_text(User user, const std::string& denied) {
  if (denied.empty()) return "ok";
  return "this login may not " + denied + ": log in as the user " + std::string(word(user)) +
         ", with the rights that this version's `flashctl access redis` prints";
}

Result<std::string> missing_right(Client& client, User user) {
  for (const Questions& round : rights_questions(user)) {
    for (const auto& question : round) client.append(question);
    std::string missing;
    Result<void> heard;
    for (const auto& question : round) {
      const auto reply = client.read();
      if (!reply) {
        heard = reply.error();
      } else if (missing.empty()) {
        missing = denied(question, reply->view());
      }
    }
    if (!heard) return heard.error();
    if (!missing.empty()) return missing;
  }
  return std::string();
}

}  // namespace flashclaim::redis
