// Gathers the callers that ask for the same coupon, sends one call for all, and keeps the result for kFreshMs.
#include "engine/pages/coupon_cache.h"

#include <algorithm>

#include "engine/base/ids.h"
#include "engine/base/log_repeated.h"
#include "engine/claim/outcome.h"
#include "engine/loop/loop.h"
#include "engine/redis/keys.h"
#include "engine/redis/resp.h"

namespace flashclaim::pages {

using http::Problem;

namespace {

constexpr std::int64_t kFreshUs = std::int64_t{kFreshMs} * 1000;
constexpr std::int64_t kKeptUs =
    2'000'000;  ///< a coupon that nobody asked for this long may go; one that is none, at once
constexpr std::size_t kCouponsMax = 32'768;  ///< known or asked for at once; more: BUSY. Anybody may ask for any id
constexpr int kLookedAt = 2;                 ///< old ones looked at for each new one, so that their number can shrink
constexpr std::size_t kUsersKept = 8192;     ///< counts per coupon
constexpr std::size_t kAskersMax = 8192;     ///< waiting for one coupon; more: BUSY
constexpr std::size_t kCountsMax = 256;      ///< users per MGET

Problem problem_of(const redis::ReplyView& reply, std::string_view what) {
  const Problem problem = claim::problem_of_error(reply.text());
  if (!claim::heals_itself(problem)) log_repeated(LogLevel::kError, "pages", what, {{"error", reply.text()}});
  return problem == Problem::kOutcomeUnknown ? Problem::kInternal : problem;
}

}  // namespace

/// One coupon: its view, the counts of users, and the callers that wait for either. Never destroyed while a call is
/// under way.
class CouponCache::Entry {
 public:
  Entry(CouponCache& cache, std::int64_t coupon_id)
      : cache_(cache), keys_(coupon_id), view_call_(*this), counts_call_(*this) {}

  void ask(std::int64_t user_id, Ask ask) {
    if (askers_.size() + counting_.size() + to_count_.size() >= kAskersMax) {
      CouponNews busy;
      busy.problem = Problem::kBusy;
      return ask(busy);
    }
    if (fresh()) {
      tell({user_id, std::move(ask)});
      return count();
    }
    askers_.push_back({user_id, std::move(ask)});
    if (std::exchange(viewing_, true)) return;
    cache_.send(redis::coupon_view_command(keys_, 0), view_call_);
  }

  [[nodiscard]] bool idle(std::int64_t now_us) const {
    return !viewing_ && counting_.empty() && now_us - at_us_ >= (found_ ? kKeptUs : kFreshUs);
  }

 private:
  struct Asker {
    std::int64_t user_id;
    Ask ask;
  };
  struct Count {
    std::int64_t count;
    std::int64_t at_us;
  };

  struct ViewCall final : redis::Call {
    explicit ViewCall(Entry& e) : entry(e) {}
    void answered(const redis::ReplyView& reply) noexcept override { entry.on_view(reply); }
    void lost() noexcept override { entry.on_no_view(Problem::kNotReady); }
    Entry& entry;
  };
  struct CountsCall final : redis::Call {
    explicit CountsCall(Entry& e) : entry(e) {}
    void answered(const redis::ReplyView& reply) noexcept override { entry.on_counts(reply); }
    void lost() noexcept override { entry.on_no_counts(Problem::kNotReady); }
    Entry& entry;
  };

  [[nodiscard]] bool fresh() const { return at_us_ != 0 && loop::now_us() - at_us_ < kFreshUs; }

  void on_view(const redis::ReplyView& reply) {
    if (reply.is_error()) return on_no_view(problem_of(reply, "coupon_view_failed"));
    auto state = redis::parse_coupon_view(reply, view_);
    if (!state) return on_no_view(Problem::kInternal);
    if (*state == redis::ViewState::kNotReady) return on_no_view(Problem::kNotReady);
    found_ = *state == redis::ViewState::kFound;
    at_us_ = loop::now_us();
    viewing_ = false;
    for (Asker& asker : take(askers_)) tell(std::move(asker));
    count();
  }

  void on_no_view(Problem problem) {
    at_us_ = 0;
    viewing_ = false;
    refuse(take(askers_), problem);
  }

  /// Precondition: the view is fresh. If the caller's count is missing, it waits for count(), which asks for many.
  void tell(Asker asker) {
    if (!found_) return refuse_one(asker, Problem::kCouponNotFound);
    if (asker.user_id == 0) return tell(asker, std::nullopt);
    auto known = counts_.find(asker.user_id);
    if (known != counts_.end() && loop::now_us() - known->second.at_us < kFreshUs)
      return tell(asker, known->second.count);
    to_count_.push_back(std::move(asker));
  }

  void tell(const Asker& asker, std::optional<std::int64_t> mine) {
    CouponNews news;
    news.view = &view_;
    news.server_time_ms = view_.now_ms + (loop::now_us() - at_us_) / 1000;
    news.mine = mine;
    asker.ask(news);
  }

  static void refuse_one(const Asker& asker, Problem problem) {
    CouponNews news;
    news.problem = problem;
    asker.ask(news);
  }
  static void refuse(const std::vector<Asker>& askers, Problem problem) {
    for (const Asker& asker : askers) refuse_one(asker, problem);
  }

  static std::vector<Asker> take(std::vector<Asker>& askers) { return std::exchange(askers, {}); }

  /// One MGET for all users that came while the last one was under way.
  void count() {
    if (to_count_.empty() || !counting_.empty()) return;
    const std::size_t n = std::min(to_count_.size(), kCountsMax);
    counting_.assign(std::make_move_iterator(to_count_.begin()),
                     std::make_move_iterator(to_count_.begin() + static_cast<std::ptrdiff_t>(n)));
    to_count_.erase(to_count_.begin(), to_count_.begin() + static_cast<std::ptrdiff_t>(n));
    std::vector<std::string> command{"MGET"};
    for (const Asker& asker : counting_) command.push_back(keys_.user(asker.user_id));
    cache_.send(command, counts_call_);
  }

  void on_counts(const redis::ReplyView& reply) {
    if (reply.is_error()) return on_no_counts(problem_of(reply, "counts_failed"));
    if (reply.size() != counting_.size()) return on_no_counts(Problem::kInternal);
    if (counts_.size() + counting_.size() > kUsersKept) counts_.clear();
    const std::int64_t now_us = loop::now_us();
    const std::vector<Asker> told = take(counting_);
    for (std::size_t i = 0; i < told.size(); ++i) {
      const std::int64_t mine = reply[i].is_nil() ? 0 : parse_number(reply[i].text()).value_or(0);
      counts_[told[i].user_id] = {mine, now_us};
      tell(told[i], mine);
    }
    for (Asker& asker : take(to_count_)) tell(std::move(asker));  // many are repeats of one user: its count is here now
    count();
  }

  void on_no_counts(Problem problem) {
    refuse(take(counting_), problem);
    refuse(take(to_count_), problem);
  }

  CouponCache& cache_;
  redis::CouponKeys keys_;
  redis::CouponView view_;
  bool found_ = false;
  std::int64_t at_us_ = 0;  ///< when the view came; 0: there is none
  bool viewing_ = false;
  std::unordered_map<std::int64_t, Count> counts_;
  std::vector<Asker> askers_;    ///< for the view
  std::vector<Asker> counting_;  ///< for the counts under way
  std::vector<Asker> to_count_;
  ViewCall view_call_;
  CountsCall counts_call_;
};

/// The ids in `coupon:issuing`.
class CouponCache::Ids final : public redis::Call {
 public:
  explicit Ids(CouponCache& cache) : cache_(cache) {}

  void ask(AskIds ask) {
    if (at_us_ != 0 && loop::now_us() - at_us_ < kFreshUs) return ask(&ids_, {});
    if (askers_.size() >= kAskersMax) return ask(nullptr, Problem::kBusy);
    askers_.push_back(std::move(ask));
    if (std::exchange(asking_, true)) return;
    cache_.send({"SMEMBERS", std::string(redis::kIssuing)}, *this);
  }

  void answered(const redis::ReplyView& reply) noexcept override {
    if (reply.is_error()) return end(nullptr, problem_of(reply, "issuing_failed"));
    ids_ = redis::parse_issuing(reply);
    at_us_ = loop::now_us();
    end(&ids_, {});
  }
  void lost() noexcept override { end(nullptr, Problem::kNotReady); }

 private:
  void end(const std::vector<std::int64_t>* ids, Problem problem) {
    asking_ = false;
    for (const AskIds& ask : std::exchange(askers_, {})) ask(ids, problem);
  }

  CouponCache& cache_;
  std::vector<std::int64_t> ids_;
  std::int64_t at_us_ = 0;
  bool asking_ = false;
  std::vector<AskIds> askers_;
};

CouponCache::CouponCache() : ids_(std::make_unique<Ids>(*this)) {}
CouponCache::~CouponCache() = default;

/// Looks at the few oldest entries, never at all: anybody can fill the cache with unknown ids. An entry in use moves to
/// the end of the line.
void CouponCache::make_room() {
  const std::int64_t now_us = loop::now_us();
  for (int looked = 0; looked < kLookedAt && !line_.empty(); ++looked) {
    const std::int64_t id = line_.front();
    line_.pop_front();
    const auto found = entries_.find(id);
    if (found->second->idle(now_us)) {
      entries_.erase(found);
    } else {
      line_.push_back(id);
    }
  }
}

void CouponCache::ask(std::int64_t coupon_id, std::int64_t user_id, Ask ask) {
  auto found = entries_.find(coupon_id);
  if (found == entries_.end()) {
    make_room();
    if (entries_.size() >= kCouponsMax) {
      CouponNews busy;
      busy.problem = Problem::kBusy;
      return ask(busy);
    }
    found = entries_.emplace(coupon_id, std::make_unique<Entry>(*this, coupon_id)).first;
    line_.push_back(coupon_id);
  }
  found->second->ask(user_id, std::move(ask));
}

void CouponCache::ask_ids(AskIds ask) { ids_->ask(std::move(ask)); }

void CouponCache::send(const std::vector<std::string>& command, redis::Call& call) {
  resp_.clear();
  redis::append_resp(resp_, command);
  if (client_->send(resp_, call) != redis::Sent::kYes) call.lost();
}

}  // namespace flashclaim::pages
