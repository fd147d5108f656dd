// Asks Redis (and then the archive) about a claim, and writes the JSON of the answer.
#include "engine/claim/view.h"

#include <spdlog/fmt/fmt.h>

#include "engine/base/json.h"
#include "engine/base/log_repeated.h"
#include "engine/claim/outcome.h"
#include "engine/redis/resp.h"

namespace flashclaim::claim {

using http::Problem;

std::string claim_json(const ClaimId& claim, const redis::ClaimView& view) {
  std::string out = fmt::format(R"({{"claimId":"{}","couponId":"{}","status":)", claim.text(), claim.coupon_id);
  switch (view.state) {
    case redis::ClaimState::kPending:
      return out + R"("pending"})";
    case redis::ClaimState::kSettled:
      return out + R"("settled"})";
    case redis::ClaimState::kRefused:
      out += R"("refused","reason":)";
      append_json_string(out, view.reason);
      return out + '}';
    case redis::ClaimState::kNone:
    case redis::ClaimState::kNotReady:
      break;
  }
  return out + "null}";
}

/// One view under way.
class Views::View final : public redis::Call {
 public:
  explicit View(Views& views) : views_(views) {}

  void begin(http::Exchange exchange, const ClaimId& claim, std::int64_t user_id, Watcher* watcher,
             std::uint64_t watch) {
    exchange_ = exchange;
    claim_ = claim;
    user_id_ = user_id;
    watcher_ = watcher;
    watch_ = watch;
  }

  void answered(const redis::ReplyView& reply) noexcept override {
    if (reply.is_error()) {
      Problem problem = problem_of_error(reply.text());
      if (!heals_itself(problem)) report(reply.text());
      return end(problem == Problem::kOutcomeUnknown ? Problem::kInternal : problem);
    }
    auto view = redis::parse_claim_view(reply);
    if (!view) {
      report(view.error().message);
      return end(Problem::kInternal);
    }
    if (view->state == redis::ClaimState::kNotReady) return end(Problem::kNotReady);
    const bool theirs = user_id_ == 0 || view->user_id == user_id_;
    if (wanted(view->state == redis::ClaimState::kPending && theirs)) views_.answer(exchange_, claim_, user_id_, *view);
    release();
  }
  void lost() noexcept override { end(Problem::kNotReady); }  // a view changes nothing: there is nothing unknown

  void end(Problem problem) {
    if (wanted(false)) views_.server_->refuse(exchange_, problem);
    release();
  }

 private:
  bool wanted(bool pending) { return !watcher_ || watcher_->viewed(watch_, pending) == Watcher::Next::kAnswer; }
  void release() { views_.spare_.push_back(this); }

  void report(std::string_view error) const {
    log_repeated(LogLevel::kError, "claim", "view_failed", {{"coupon", claim_.coupon_id}, {"error", error}});
  }

  Views& views_;
  http::Exchange exchange_;
  ClaimId claim_;
  std::int64_t user_id_ = 0;
  Watcher* watcher_ = nullptr;
  std::uint64_t watch_ = 0;
};

Views::Views() = default;
Views::~Views() = default;

void Views::bind(http::Server& server, redis::AsyncClient& client) {
  server_ = &server;
  client_ = &client;
}

Views::View& Views::take() {
  if (spare_.empty()) {
    all_.push_back(std::make_unique<View>(*this));
    return *all_.back();
  }
  View* view = spare_.back();
  spare_.pop_back();
  return *view;
}

void Views::send(View& view, const std::vector<std::string>& command) {
  resp_.clear();
  redis::append_resp(resp_, command);
  switch (client_->send(resp_, view)) {
    case redis::Sent::kYes:
      return;
    case redis::Sent::kFull:
      return view.end(Problem::kBusy);
    case redis::Sent::kDisconnected:
      return view.end(Problem::kNotReady);
  }
}

void Views::show_claim(http::Exchange exchange, const ClaimId& claim, std::int64_t user_id, Watcher* watcher,
                       std::uint64_t watch) {
  View& view = take();
  view.begin(exchange, claim, user_id, watcher, watch);
  send(view, redis::claim_view_command(claim));
}

void Views::answer(http::Exchange exchange, const ClaimId& claim, std::int64_t user_id, const redis::ClaimView& view) {
  if (view.state == redis::ClaimState::kNone && archive_) return archive_->answer_claim(exchange, claim, user_id);
  const bool of_another = user_id != 0 && view.user_id != user_id;
  if (view.state == redis::ClaimState::kNone || of_another) {
    server_->refuse(exchange, Problem::kClaimNotFound);
    return;
  }
  server_->answer(exchange, {http::Status::kOk, http::kJson, {}, claim_json(claim, view)});
}

}  // namespace flashclaim::claim
