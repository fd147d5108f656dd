// Creates coupons under ids that are free, and ends them when the run is over.
#include "bench/sale.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <thread>

#include "engine/base/try.h"
#include "engine/operations/operations.h"
#include "engine/postgres/coupons.h"

namespace flashclaim::bench {
namespace {

constexpr int kTakenIdsMax = 100'000;  // ids that other runs took in the same moment
constexpr std::int64_t kMinuteMs = 60'000;
constexpr std::int64_t kDayMs = 24 * 60 * kMinuteMs;

std::int64_t unix_ms() {
  using std::chrono::system_clock;
  return std::chrono::duration_cast<std::chrono::milliseconds>(system_clock::now().time_since_epoch()).count();
}

using Work = std::function<Result<void>(Stores& stores, std::size_t index)>;

/// Runs work(0) .. work(n - 1) on threads with connections of their own. The first error stops all of them.
class Workers {
 public:
  Workers(const ServiceUrls& urls, const SaleOptions& options, std::size_t count, const Work& work)
      : urls_(urls), options_(options), count_(count), work_(work) {}

  Result<void> run() {
    std::vector<std::thread> threads;
    auto wanted = std::min<std::size_t>(static_cast<std::size_t>(options_.connections), count_);
    for (std::size_t i = 0; i < wanted; ++i) threads.emplace_back([this] { work_through(); });
    for (std::thread& thread : threads) thread.join();
    return outcome_;
  }

 private:
  void work_through() {
    auto stores = connect_stores(urls_);
    if (!stores) return fail(stores.error());
    for (std::size_t index; !failed_ && (index = next_++) < count_;) {
      if (options_.interrupted && *options_.interrupted) return fail(failure("interrupted"));
      auto done = work_(*stores, index);
      if (!done) return fail(done.error());
      std::lock_guard lock(mutex_);
      ++done_;
      if (options_.progress) options_.progress(done_);
    }
  }
  void fail(const Error& error) {
    std::lock_guard lock(mutex_);
    if (!failed_.exchange(true)) outcome_ = error;
  }

  const ServiceUrls& urls_;
  const SaleOptions& options_;
  const std::size_t count_;
  const Work& work_;
  std::atomic<std::size_t> next_{0};
  std::atomic<bool> failed_{false};
  std::mutex mutex_;
  std::int64_t done_ = 0;
  Result<void> outcome_;
};

Result<void> succeeded(const Result<operations::Operated>& operated, std::int64_t id) {
  if (!operated) return operated.error();
  if (!operated->ok()) return failure(fmt::format("coupon {}: {}", id, operated->message));
  return {};
}

/// Creates the coupon under the next id that nobody has.
Result<std::int64_t> create(postgres::Session& pg, const CouponPlan& plan, std::atomic<std::int64_t>& next_id) {
  operations::NewCoupon coupon;
  coupon.name = plan.name;
  coupon.total = plan.total;
  coupon.user_limit = plan.user_limit;
  coupon.begin_ms = unix_ms() - kMinuteMs;
  coupon.end_ms = coupon.begin_ms + kDayMs;
  for (int taken = 0; taken < kTakenIdsMax; ++taken) {
    coupon.id = next_id++;
    auto created = operations::create_coupon(pg, coupon);
    bool taken_by_another =  // kAlready: by a run that is its twin, to the millisecond
        created && (created->effect == operations::Effect::kRefused || created->effect == operations::Effect::kAlready);
    if (taken_by_another) continue;
    TRY(succeeded(created, coupon.id));
    return coupon.id;
  }
  return failure("no free coupon id: other runs take them as fast as this one asks");
}

Result<std::int64_t> first_free_id(const ServiceUrls& urls, std::size_t count) {
  auto stores = TRY(connect_stores(urls));
  auto highest = TRY(postgres::from_sql(postgres::highest_coupon_id(*stores.pg)));
  auto needed = static_cast<std::int64_t>(count) + kTakenIdsMax;
  if (highest > INT64_MAX - needed)
    return failure(fmt::format("a coupon has the id {}: above it there is no room for {} fresh ones", highest, count));
  return highest + 1;
}

}  // namespace

Result<std::vector<std::int64_t>> open_sale(const ServiceUrls& urls, std::span<const CouponPlan> plans,
                                            const SaleOptions& options) {
  auto first = TRY(first_free_id(urls, plans.size()));
  std::atomic<std::int64_t> next_id{first};
  std::vector<std::int64_t> ids(plans.size());  // each element is written by one thread
  Work open = [&](Stores& stores, std::size_t index) -> Result<void> {
    auto id = TRY(create(*stores.pg, plans[index], next_id));
    ids[index] = id;
    return succeeded(operations::publish_coupon(stores.redis, *stores.pg, id), id);
  };
  auto opened = Workers(urls, options, plans.size(), open).run();
  if (opened) return ids;
  std::erase(ids, 0);
  SaleOptions cleaning;
  auto ended = end_sale(urls, ids, cleaning);
  if (ended) return opened.error();
  return failure(
      fmt::format("{} (and ending the coupons opened by then: {})", opened.error().message, ended.error().message));
}

Result<void> end_sale(const ServiceUrls& urls, std::span<const std::int64_t> coupon_ids, const SaleOptions& options) {
  Work end = [&](Stores& stores, std::size_t index) {
    return succeeded(operations::end_coupon(stores.redis, *stores.pg, coupon_ids[index]), coupon_ids[index]);
  };
  return Workers(urls, options, coupon_ids.size(), end).run();
}

}  // namespace flashclaim::bench
