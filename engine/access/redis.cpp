// The ACL file of Redis: the rights that each user's own commands and the commands inside its functions need, no more.
//
// Redis checks the commands of a function with the caller's rights; an ACL cannot say "only through FCALL". So each
// user gets the few commands of its functions, each on the keys that they touch, and the functions by name (as a
// command's first argument, in the syntax of Redis 7.0). Parentheses are a selector: its rights hold only together.
// Redis tries the key patterns in their order for every key of a batch: the most frequent pattern stands first.
//
// MULTI and DISCARD are for /readyz, which checks its rights and carries nothing out (engine/redis/rights.h); no user
// has EXEC. We send reading functions by FCALL_RO, which needs fewer rights. Those that programs of the version before
// sent by FCALL are allowed by FCALL too, so that these programs go on during an upgrade.
#include <array>

#include "engine/access/access.h"
#include "engine/access/secret.h"
#include "engine/base/try.h"

namespace flashclaim::access {
namespace {

struct Rules {
  std::string_view login;
  std::vector<std::string_view> rules;
};

const std::vector<Rules>& redis_rules() {
  static const std::vector<Rules> kRules = {
      {"engine",
       {"~prs:coupon:*", "~coupon:stock:*", "~coupon:claims:*", "~coupon:ready", "%R~coupon:key:*",
        "%R~coupon:result:*", "%R~coupon:issuing", "&coupon:finished:*", "+ping", "+role", "+select", "+time",
        "+config|get", "+exists", "+get", "+mget", "+hget", "+hmget", "+smembers", "+ssubscribe", "+sunsubscribe",
        "+xrange", "+multi", "+discard", "+fcall|claim", "+fcall_ro|claim_view", "+fcall_ro|coupon_view",
        "+fcall_ro|flashclaim_version", "+fcall|claim_view", "+fcall|coupon_view",
        // inside claim
        "(~prs:coupon:{*}:prs:usr:coupon:* +mset)", "(~coupon:stock:* +decrby)", "(~prs:coupon:* +hincrby)",
        "(~coupon:claims:* +xadd)", "(~coupon:key:* +set)"}},
      {"mirror",
       {"~coupon:claims:*", "~coupon:issuing", "~prs:coupon:*", "%R~coupon:dead:*", "+ping", "+role", "+select",
        "+time", "+info", "+exists", "+hget", "+hmget", "+smembers", "+smismember", "+xlen", "+xrange", "+xpending",
        "+xinfo|groups", "+xinfo|stream", "+multi", "+discard", "+fcall|mark_suspect", "+fcall|retire_coupon",
        "(~coupon:claims:* +xreadgroup +xack +xautoclaim +xgroup|create)",
        "(~coupon:sweeper:* ~coupon:replication +get +set +pttl)",
        // inside retire_coupon and mark_suspect
        "(~prs:coupon:* +hset +hincrby)", "(~coupon:issuing +srem)"}},
      {"consumer",
       {"~prs:coupon:*", "~coupon:stock:*", "~coupon:claims:*", "~coupon:dead:*", "~coupon:result:*", "~coupon:ready",
        "%R~coupon:issuing", "&coupon:finished:*", "+spublish", "+ping", "+role", "+select", "+time", "+exists", "+get",
        "+mget", "+hget", "+hmget", "+smembers", "+xlen", "+xrange", "+xinfo|stream", "+multi", "+discard",
        "+fcall|finish", "+fcall|mark_dead", "+fcall|reconcile_fix", "+fcall|user_counts_fix", "+fcall|rebuild_freeze",
        "+fcall_ro|entry_view", "+fcall_ro|coupon_view", "+fcall_ro|reconcile_counters", "+fcall_ro|reconcile_snapshot",
        "+fcall_ro|user_counts", "+fcall_ro|flashclaim_version", "+fcall|coupon_view", "+fcall|reconcile_snapshot",
        "+fcall|user_counts", "+fcall|flashclaim_version",
        // inside finish, mark_dead, the repairs
        "(~prs:coupon:{*}:prs:usr:coupon:* +mset +del)", "(~prs:coupon:* +hset +hdel +hincrby)",
        "(~coupon:stock:* +incrby)", "(~coupon:claims:* +xdel)", "(~coupon:dead:* +sadd +srem)",
        "(~coupon:result:* +set)", "(~coupon:returned:* +rpush +ltrim +expire)", "(%R~coupon:returned:* +lrange)",
        // the reconciler completes an operation that died before it reached Redis
        "(~prs:coupon:* ~coupon:stock:* ~coupon:claims:* ~coupon:ready ~coupon:issuing +fcall|apply_state)",
        "(~coupon:issuing +sadd)", "(~coupon:claims:* +xgroup|create)"}},
      {"admin",
       {"~prs:coupon:*", "~coupon:*", "&coupon:finished:*", "+spublish", "+ping", "+role", "+select", "+time", "+info",
        "+config|get", "+dbsize", "+scan", "+exists", "+type", "+ttl", "+get", "+mget", "+hget", "+hmget", "+hgetall",
        "+smembers", "+sscan", "+sismember", "+smismember", "+scard", "+lrange", "+xlen", "+xrange", "+xrevrange",
        "+xpending", "+xinfo", "+acl|log", "+function|load", "+function|list", "+fcall_ro|flashclaim_version",
        "+fcall_ro|coupon_view", "+fcall_ro|claim_view", "+fcall_ro|entry_view", "+fcall_ro|reconcile_counters",
        "+fcall_ro|reconcile_snapshot", "+fcall_ro|user_counts", "+fcall|apply_state", "+fcall|finish",
        "+fcall|reconcile_fix", "+fcall|user_counts_fix", "+fcall|rebuild_freeze", "+fcall|rebuild_begin",
        "+fcall|rebuild_clear_users", "+fcall|rebuild_load_stock", "+fcall|rebuild_load_users", "+fcall|rebuild_open",
        "+fcall|mark_ready", "+fcall|mark_dead", "+fcall|unmark_dead", "+fcall|mark_suspect", "+fcall|retire_coupon",
        "+fcall|purge_coupon", "+bgrewriteaof",
        // inside these, and `flashctl purge`; some delete a coupon's keys in one command
        "(~prs:coupon:{*}:prs:usr:coupon:* +mset)", "(~prs:coupon:* +hset +hdel +hincrby)",
        "(~coupon:stock:* +set +incrby)", "(~coupon:claims:* +xgroup|create +xdel)", "(~coupon:dead:* +sadd +srem)",
        "(~coupon:issuing +sadd +srem)", "(~coupon:result:* +set)", "(~coupon:returned:* +rpush +ltrim +expire +del)",
        "(~coupon:ready ~coupon:library:* +set)",
        "(~prs:coupon:* ~coupon:stock:* ~coupon:claims:* ~coupon:dead:* ~coupon:returned:* +del +unlink)"}},
  };
  return kRules;
}

}  // namespace

Result<std::string> redis_access(const std::string& folder) {
  // The default user is off, so nobody can log in as it. But Redis 7.0.15 reads its append-only file with this user's
  // rights: at the start it drops what stands between MULTI and EXEC there (all that a function wrote) if the default
  // user may not do it (observed: every claim was gone).
  std::string text = "user default off resetpass ~* &* +@all\n";
  for (const Rules& user : redis_rules()) {
    const auto password = TRY(read_password(folder + "/redis-" + std::string(user.login)));
    text += "user " + std::string(user.login) + " on #" + redis_hash(password) + " resetkeys resetchannels -@all";
    for (const std::string_view rule : user.rules) text += ' ' + std::string(rule);
    text += '\n';
  }
  return text;
}

}  // namespace flashclaim::access
