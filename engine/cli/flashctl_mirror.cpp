// flashctl mirror: publishes entries in flight again.
#include <spdlog/fmt/fmt.h>

#include "engine/amqp/connection.h"
#include "engine/base/ids.h"
#include "engine/base/try.h"
#include "engine/cli/command.h"
#include "engine/operations/dlq.h"
#include "engine/operations/sync_redis.h"
#include "engine/redis/client.h"
#include "engine/redis/keys.h"

namespace flashclaim::cli {
namespace {

CommandResult replay(Context& context, const Arguments& arguments) {
  std::vector<std::int64_t> ids;
  if (!arguments.words.empty()) {
    const IdArgument id = id_argument(arguments);
    if (id.wrong) return *id.wrong;
    ids.push_back(id.id);
  }
  const auto redis = context.redis();
  if (!redis) return context.failed(redis.error());
  if (!ids.empty()) {
    const redis::CouponKeys names(ids[0]);
    const auto there = redis::ok((*redis)->command({"EXISTS", names.coupon, names.claims}));
    if (!there) return context.failed(there.error());
    if (there->integer() == 0) return not_found(fmt::format("there is no coupon {} in Redis", ids[0]));
  }
  if (ids.empty()) {
    auto all = redis::issuing_coupons(**redis);
    if (!all) return context.failed(all.error());
    ids = std::move(*all);
  }
  if (context.dry_run()) {
    std::int64_t entries = 0;
    for (const std::int64_t id : ids) {
      const auto length = redis::ok((*redis)->command({"XLEN", redis::CouponKeys(id).claims}));
      if (!length) return context.failed(length.error());
      entries += length->integer();
    }
    return done(fmt::format("would publish up to {} entries again (nothing was changed)", entries));
  }
  const auto amqp = context.amqp();
  if (!amqp) return context.failed(amqp.error());
  const auto confirms = (*amqp)->enable_confirms();
  if (!confirms) return context.failed(confirms.error());
  operations::ReplayReport all;
  const operations::Progress progress = Context::progress("coupons");
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto replayed = operations::replay_entries(**redis, **amqp, ids[i]);
    if (!replayed) return context.failed(replayed.error());
    all.published += replayed->published;
    if (all.left == 0) all.why_left = replayed->why_left;
    all.left += replayed->left;
    if (progress) progress(static_cast<std::int64_t>(i + 1), static_cast<std::int64_t>(ids.size()));
  }
  Document document;
  document.add("entries", Cell::number(all.published)).add("left", Cell::number(all.left));
  const auto published = fmt::format("published {} entries of {} coupons again", all.published, ids.size());
  if (all.left == 0) return done(published, document);
  return refused(fmt::format("{}; {} were left: {} (flashctl dlq drop --coupon ID --entry ID throws an entry away)",
                             published, all.left, all.why_left),
                 document);
}

}  // namespace

std::vector<Verb> mirror_verbs() {
  return {
      {"mirror", "replay", "[id]", "publish every unfinished entry again; duplicates settle once", true, {}, replay}};
}

}  // namespace flashclaim::cli
