// A long backlog in Redis: nothing of ours holds Redis for 10 ms, nor grows with it, and another coupon's claims go on.
//
// FLASHCLAIM_BACKLOG=2000000 makes it that many entries of one claim (50,000 without it), in two and a half times as
// many keys.
#include <sched.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <memory>

#include "consumer/reconciler.h"
#include "engine/operations/user_keys.h"
#include "tests/harness/logins.h"
#include "tests/integration/admin_flashctl.h"

namespace flashclaim::operations {
namespace {

constexpr std::int64_t kChunk = 10'000;
constexpr int kAttempts = 3;  // a call that is slow by itself is slow every time
constexpr std::int64_t kHeldUs = 10'000;
constexpr const char* kYardstick =
    "local x = 0 for i = 1, 100000 do x = x + i % 7 end return x";  // about a millisecond

/// One chunk: entries of one claim each, as `claim` writes them.
constexpr const char* kEntries =
    "for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do local u = string.format('%.0f', i) "
    "redis.call('XADD', KEYS[1], '*', 'e', '1', 'u', u, 'h', string.sub(redis.sha1hex('1 ' .. u), 1, 16)) "
    "redis.call('SET', KEYS[2] .. u, '1') end "
    "local n = ARGV[2] - ARGV[1] + 1 redis.call('DECRBY', KEYS[3], n) redis.call('HINCRBY', KEYS[4], 'inflight', n)";
constexpr const char* kKeys =
    "for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do redis.call('SET', KEYS[1] .. string.format('%.0f', i), '1') end";

/// How much slower than at its best this machine is, as a call of always the same work in Redis shows it. SLOWLOG
/// counts what the clock on the wall says, and the other programs of this machine share its caches, its memory and its
/// host.
class Yardstick {
 public:
  explicit Yardstick(const std::string& tester_url) : client_(need(tester_url)) {}

  void measure() {
    const double before = spent_us();
    if (!redis::ok(client_.command({"EVAL", kYardstick, "0"}))) return;
    const double took = spent_us() - before;
    best_us_ = best_us_ == 0 ? took : std::min(best_us_, took);
    worst_us_ = std::max(worst_us_, took);
  }
  void begin() { worst_us_ = 0; }
  /// 1: as at its best.
  [[nodiscard]] double slowness() const { return best_us_ > 0 ? std::max(1.0, worst_us_ / best_us_) : 1; }

 private:
  static redis::Client need(const std::string& url) {
    auto client = redis::Client::connect(url, std::chrono::seconds(60));
    if (!client) throw std::runtime_error(client.error().message);
    return std::move(*client);
  }
  /// By all calls of EVAL so far: nobody else calls it.
  double spent_us() {
    const auto stats = redis::ok(client_.command({"INFO", "commandstats"}));
    if (!stats) return 0;
    const std::string_view text = stats->text();
    const auto line = text.find("cmdstat_eval:");
    const auto at = line == text.npos ? text.npos : text.find("usec=", line);
    return at == text.npos ? 0 : std::strtod(text.data() + at + 5, nullptr);
  }

  redis::Client client_;
  double best_us_ = 0;
  double worst_us_ = 0;
};

class Backlog : public Flashctl {
 protected:
  void SetUp() override {
    Flashctl::SetUp();
    if (const char* asked = std::getenv("FLASHCLAIM_BACKLOG")) entries_ = std::atoll(asked);
    long_ = issue(10 * entries_);
    other_ = issue(1'000'000, 1'000'000);
    const redis::CouponKeys keys(long_);
    for (std::int64_t from = 1; from <= entries_; from += kChunk)
      fill({"EVAL", kEntries, "4", keys.claims, keys.user_prefix(), keys.stock, keys.coupon}, from);
    const redis::CouponKeys foreign(long_ + 1000);
    for (std::int64_t from = 1; from <= entries_ * 3 / 2; from += kChunk)
      fill({"EVAL", kKeys, "1", foreign.user_prefix()}, from);
    claim(other_, {1, 2, 3});
    settle(other_);
    undisturbed_ = never_preempted();
    yardstick_ = std::make_unique<Yardstick>(redis_url());
    for (int i = 0; i < 200; ++i) yardstick_->measure();
    if (!undisturbed_) fmt::print("UNTRIED: SLOWLOG, for nobody here may give Redis its core undisturbed\n");
    redis_raw({"CONFIG", "SET", "slowlog-max-len", "1000"});
    redis_raw({"CONFIG", "SET", "slowlog-log-slower-than", std::to_string(kHeldUs)});
  }
  void TearDown() override {
    const sched_param usual{};
    sched_setscheduler(redis_pid(), SCHED_OTHER, &usual);
    redis_raw({"FLUSHALL", "ASYNC"});
  }

  pid_t redis_pid() {
    const auto info = redis::ok(tester().command({"INFO", "server"}));
    const std::string_view text = info ? info->text() : "";
    const auto at = text.find("process_id:");
    return at == text.npos ? 0 : static_cast<pid_t>(std::atoi(std::string(text.substr(at + 11, 12)).c_str()));
  }
  /// SLOWLOG counts the time on the wall: a core that was taken away would look like a slow call.
  bool never_preempted() {
    const sched_param first{.sched_priority = 1};
    const pid_t pid = redis_pid();
    return pid > 0 && sched_setscheduler(pid, SCHED_FIFO, &first) == 0;
  }

  void fill(std::vector<std::string> command, std::int64_t from) {
    command.push_back(std::to_string(from));
    command.push_back(std::to_string(from + kChunk - 1));
    ASSERT_TRUE(redis::ok(tester().command(command)));
  }
  /// What held Redis for 10 ms since the last SLOWLOG RESET, on a machine that was `slowness` times slower than it can
  /// be.
  std::string slow(double slowness) {
    const auto log = redis::ok(tester().command({"SLOWLOG", "GET", "1000"}));
    if (!log) return log.error().message;
    std::string text;
    int shown = 0;
    for (std::size_t i = 0; i < log->size() && shown < 20; ++i) {
      if (static_cast<double>((*log)[i][2].integer()) < kHeldUs * slowness) continue;
      ++shown;
      const auto words = (*log)[i][3];
      text += fmt::format("{} us:", (*log)[i][2].integer());
      for (std::size_t k = 0; k < std::min<std::size_t>(words.size(), 6); ++k)
        text += fmt::format(" {}", words[k].text().substr(0, 40));
      text += "\n";
    }
    return text;
  }
  /// `work` is done with claims of the other coupon beside it, until it was done once without holding Redis.
  void unharmed(const char* what, const std::function<void()>& work) {
    std::string seen;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      redis_raw({"SLOWLOG", "RESET"});
      std::atomic<bool> done{false};
      std::int64_t accepted = 0;
      std::string wrong;
      std::int64_t worst_us = 0;
      yardstick_->begin();
      std::thread claimer([&] {
        auto client = redis::Client::connect(harness::as("engine", redis_url()), std::chrono::seconds(60));
        const redis::ClaimRequest one[] = {{7'000'000, ""}};
        while (!done) {
          const auto begin = std::chrono::steady_clock::now();
          const auto verdicts = redis::claim(*client, other_, one);
          const auto took = std::chrono::steady_clock::now() - begin;
          worst_us = std::max(worst_us, std::chrono::duration_cast<std::chrono::microseconds>(took).count());
          if (!verdicts) wrong = verdicts.error().message;
          if (verdicts && (*verdicts)[0].verdict != redis::Verdict::kAccepted) wrong = redis::word((*verdicts)[0]);
          accepted += wrong.empty() ? 1 : 0;
          if (accepted % 8 == 1) yardstick_->measure();
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
      });
      const auto begin = std::chrono::steady_clock::now();
      work();
      const auto took = std::chrono::steady_clock::now() - begin;
      done = true;
      claimer.join();
      EXPECT_EQ(wrong, "") << what;
      seen = slow(yardstick_->slowness());
      fmt::print("{:28} {:8.2f} s, {:6} claims beside it, the slowest {:6.1f} ms; machine {:.1f} times slower{}\n",
                 what, std::chrono::duration<double>(took).count(), accepted, static_cast<double>(worst_us) / 1000,
                 yardstick_->slowness(), seen.empty() ? "" : ", held: " + seen);
      if (seen.empty() || !undisturbed_ || HasFailure()) return;
    }
    ADD_FAILURE() << what << " held Redis:\n" << seen;
  }

  bool undisturbed_ = false;
  std::unique_ptr<Yardstick> yardstick_;
  std::int64_t entries_ = 50'000;
  std::int64_t long_ = 0;
  std::int64_t other_ = 0;
};

TEST_F(Backlog, HoldsUpNothingThatMendsOrLooks) {
  consumer::Options options;
  options.redis_url = harness::as("consumer", redis_url());
  options.pg_url = harness::as("consumer", pg_url());
  consumer::Metrics metrics;
  consumer::Health health;
  consumer::Stop stop;
  consumer::Reconciler reconciler(options, metrics, health, stop);
  unharmed("a round of the reconciler", [&] {
    redis_raw({"INCRBY", redis::CouponKeys(long_).stock, "5"});
    redis_raw({"INCRBY", redis::CouponKeys(long_).user(77), "2"});
    ASSERT_TRUE(redis::mark_suspect(redis(), long_));
    ASSERT_TRUE(redis::mark_suspect(redis(), other_));
    const auto done = reconciler.round();
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(stock(long_), 9 * entries_) << "mended to the unit";
    EXPECT_EQ(redis::ok(redis().command({"GET", redis::CouponKeys(long_).user(77)}))->text(), "1");
    EXPECT_EQ((*redis::reconcile_counters(redis(), long_))->suspect, 0);
  });
  const std::string coupon = std::to_string(long_);
  const std::string other = std::to_string(other_);
  unharmed("reconcile", [&] {
    expect_exit(0, {"reconcile", coupon, "--output", "json"});
    EXPECT_EQ(json(last_.out, "coupons,0,usersChecked"), std::to_string(entries_));
  });
  unharmed("reconcile of all, the stock", [&] { expect_exit(0, {"reconcile", "--stock-only"}); });
  unharmed("reconcile --strays", [&] { expect_exit(0, {"reconcile", other, "--strays"}); });
  unharmed("status", [&] {
    declare();
    expect_exit(0, {"status", "--output", "json"});
    EXPECT_GE(std::stoll(json(last_.out, "inFlightClaims")), entries_);
  });
  unharmed("coupon show", [&] { expect_exit(0, {"coupon", "show", coupon}); });
  unharmed("check", [&] { expect_exit(6, {"check", coupon}); });  // what is in flight is not at rest
}

TEST_F(Backlog, HoldsUpNoOperation) {
  declare();
  unharmed("a cut", [&] {
    CouponChange cut;
    cut.total = 9 * entries_;
    const auto begun = update_coupon(redis(), pg(), long_, cut, std::chrono::seconds(2));
    ASSERT_TRUE(begun);
    EXPECT_EQ(begun->effect, Effect::kUnfinished) << begun->message;
    cut.total = 10 * entries_;
    ASSERT_TRUE(update_coupon(redis(), pg(), long_, cut));
  });
  unharmed("create, end, purge", [&] {
    const auto id = issue(10);
    claim(id, {1, 2});
    settle(id);
    expect_exit(0, {"coupon", "end", std::to_string(id), "--yes"});
    expect_exit(0, {"coupon", "purge", std::to_string(id), "--yes"});
    EXPECT_EQ(redis::ok(redis().command({"EXISTS", redis::CouponKeys(id).user(1)}))->integer(), 0);
  });
  unharmed("rebuild of another coupon", [&] {
    const auto id = issue(10);
    claim(id, {1, 2});
    settle(id);
    expect_exit(0, {"rebuild", std::to_string(id), "--yes"});
    EXPECT_EQ(stock(id), 8);
  });
}

}  // namespace
}  // namespace flashclaim::operations
