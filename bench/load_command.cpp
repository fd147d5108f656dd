// Reads the options of `flashbench load`, runs it, and prints the report.
#include "bench/load_command.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "bench/sale.h"
#include "bench/services.h"
#include "engine/base/try.h"
#include "engine/loop/loop.h"

namespace flashclaim::bench {
namespace {

constexpr auto kSamplePeriod = std::chrono::seconds(1);

/// Looks at the backlog every second, in a thread and with connections of its own, until destroyed.
class BacklogWatch {
 public:
  BacklogWatch(Stores stores, std::unique_ptr<amqp::Connection> broker, std::span<const std::int64_t> coupon_ids)
      : stores_(std::move(stores)), broker_(std::move(broker)), coupon_ids_(coupon_ids), thread_([this] { watch(); }) {}
  ~BacklogWatch() { (void)stop(); }
  BacklogWatch(const BacklogWatch&) = delete;
  BacklogWatch& operator=(const BacklogWatch&) = delete;

  std::vector<BacklogSample> stop() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
      changed_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
    return std::move(samples_);
  }

 private:
  void watch() {
    std::int64_t start = loop::now_ms();
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, kSamplePeriod, [this] { return stopping_; })) {
      auto now = backlog(stores_.redis, broker_.get(), coupon_ids_);
      if (!now) return;  // the load itself reports what is broken
      samples_.push_back({loop::now_ms() - start, *now});
    }
  }

  Stores stores_;
  std::unique_ptr<amqp::Connection> broker_;
  std::span<const std::int64_t> coupon_ids_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::vector<BacklogSample> samples_;
  std::thread thread_;
};

class LoadCommandRun {
 public:
  explicit LoadCommandRun(const LoadCommand& command) : command_(command), plan_(command.plan) {}

  Result<LoadCommandReport> run() {
    auto engine = TRY(engine_from_environment());
    plan_.address = engine.address;
    plan_.host = engine.host;
    plan_.keep_acknowledged = command_.settle;
    bool own_coupons = plan_.coupon_ids.empty();
    if (own_coupons) {
      TRY(open());
    }
    report_.coupon_ids = plan_.coupon_ids;
    auto done = load_and_settle(own_coupons);
    if (own_coupons) end();
    if (!done) return done.error();
    return std::move(report_);
  }

 private:
  void note(const std::string& problem) {
    if (report_.problem.empty()) report_.problem = problem;
  }

  Result<void> open() {
    urls_ = TRY(services_from_environment());
    std::vector<CouponPlan> plans(static_cast<std::size_t>(command_.coupons),
                                  CouponPlan{"load", command_.total, command_.user_limit});
    Progress bar("coupons", command_.coupons, command_.progress);
    SaleOptions sale;
    sale.interrupted = plan_.interrupted;
    sale.progress = [&](std::int64_t done) { bar.show(done); };
    plan_.coupon_ids = TRY(open_sale(urls_, plans, sale));
    return {};
  }

  Result<void> load_and_settle(bool own_coupons) {
    std::optional<BacklogWatch> watch;
    if (own_coupons) {
      auto stores = TRY(connect_stores(urls_));
      auto broker = TRY(connect_broker(urls_));
      watch.emplace(std::move(stores), std::move(broker), plan_.coupon_ids);
    }
    auto load = run_load(plan_);
    if (watch) report_.backlog = watch->stop();
    if (!load) return load.error();
    report_.load = std::move(*load);
    if (report_.load.problem == "interrupted") note("interrupted");
    if (const std::string complaint = report_.load.all.complaint(); !complaint.empty()) note(complaint);
    if (own_coupons && command_.settle) settle_and_check();
    return {};
  }

  void settle_and_check() {
    auto stores = connect_stores(urls_);
    if (!stores) return note(stores.error().message);
    auto broker = connect_broker(urls_);
    if (!broker) return note(broker.error().message);
    SettlementOptions settlement;
    settlement.stall_ms = command_.stall_ms;
    settlement.interrupted = plan_.interrupted;
    std::int64_t accepted = report_.load.all.accepted;
    Progress bar("settled", accepted, command_.progress);
    settlement.progress = [&](const Backlog& left) { bar.show(std::max<std::int64_t>(accepted - left.claims, 0)); };
    auto waited = wait_settled(stores->redis, **broker, plan_.coupon_ids, settlement);
    if (!waited) return note(waited.error().message);
    report_.drain_us = *waited;
    operations::CheckOptions check;
    check.acknowledged = std::move(report_.load.acknowledged);
    auto checked = operations::check(stores->redis, *stores->pg, broker->get(), plan_.coupon_ids, check);
    if (!checked) return note("the invariants could not be checked: " + checked.error().message);
    report_.check = std::move(*checked);
  }

  void end() {
    auto ended = end_sale(urls_, plan_.coupon_ids, SaleOptions{});
    if (!ended) note("the coupons could not be ended: " + ended.error().message);
  }

  const LoadCommand& command_;
  LoadPlan plan_;
  ServiceUrls urls_;
  LoadCommandReport report_;
};

}  // namespace

Result<LoadCommandReport> run_load_command(const LoadCommand& command) { return LoadCommandRun(command).run(); }

}  // namespace flashclaim::bench
