// See view.h.
#include "engine/claim/view.h"

#include "engine/base/log.h"
#include "engine/claim/outcome.h"
#include "engine/http/json.h"

namespace flashclaim::claim {

using http::Problem;

std::string coupon_json(std::int64_t coupon_id, const redis::CouponView& view) {
  std::string out = fmt::format(R"({{"couponId":"{}","name":)", coupon_id);
  http::append_json_text(out, view.name);
  out += R"(,"status":)";
  http::append_json_text(out, view.status);
  out += fmt::format(R"(,"beginsAtMs":{},"endsAtMs":{},"serverTimeMs":{},"total":{},"left":{},"userLimit":{}}})",
                     view.begin_ms, view.end_ms, view.now_ms, view.total, view.left, view.user_limit);
  return out;
}

std::string claim_json(const ClaimId& claim, const redis::ClaimView& view) {
  std::string out = fmt::format(R"({{"claimId":"{}","couponId":"{}","status":)", claim.text(), claim.coupon_id);
  switch (view.state) {
    case redis::ClaimState::kPending:
      return out + R"("pending"})";
    case redis::ClaimState::kSettled:
      return out + R"("settled"})";
    case redis::ClaimState::kRefused:
      out += R"("refused","reason":)";
      http::append_json_text(out, view.reason);
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

  void begin(http::Exchange exchange, std::int64_t coupon_id) {
    exchange_ = exchange;
    claim_ = {coupon_id, 0, {}, 0};
    of_claim_ = false;
  }
  void begin(http::Exchange exchange, const ClaimId& claim, std::int64_t user_id) {
    exchange_ = exchange;
    claim_ = claim;
    of_claim_ = true;
    user_id_ = user_id;
  }

  void answered(const redis::ReplyView& reply) noexcept override {
    if (reply.is_error()) {
      Problem problem = problem_of_error(reply.text());
      if (!heals_itself(problem)) report(reply.text());
      end(problem == Problem::kOutcomeUnknown ? Problem::kInternal : problem);
    } else if (of_claim_) {
      answer_claim(reply);
    } else {
      answer_coupon(reply);
    }
  }
  void lost() noexcept override { end(Problem::kNotReady); }  // a view changes nothing: there is nothing unknown

  void end(Problem problem) {
    views_.server_->refuse(exchange_, problem);
    views_.spare_.push_back(this);
  }

 private:
  void end(const std::string& json) {
    views_.server_->answer(exchange_, {http::Status::kOk, http::kJson, {}, json});
    views_.spare_.push_back(this);
  }

  void report(std::string_view error) const {
    log(LogLevel::kError, "claim", "view_failed", {{"coupon", claim_.coupon_id}, {"error", error}});
  }

  void answer_coupon(const redis::ReplyView& reply) {
    redis::CouponView view;
    auto state = redis::parse_coupon_view(reply, view);
    if (!state) {
      report(state.error().message);
      return end(Problem::kInternal);
    }
    switch (*state) {
      case redis::ViewState::kFound:
        return end(coupon_json(claim_.coupon_id, view));
      case redis::ViewState::kNoCoupon:
        return end(Problem::kCouponNotFound);
      case redis::ViewState::kNotReady:
        return end(Problem::kNotReady);
    }
  }

  void answer_claim(const redis::ReplyView& reply) {
    auto view = redis::parse_claim_view(reply);
    if (!view) {
      report(view.error().message);
      return end(Problem::kInternal);
    }
    if (view->state == redis::ClaimState::kNotReady) return end(Problem::kNotReady);
    bool of_another = user_id_ != 0 && view->user_id != user_id_;
    if (view->state == redis::ClaimState::kNone || of_another) return end(Problem::kClaimNotFound);
    end(claim_json(claim_, *view));
  }

  Views& views_;
  http::Exchange exchange_;
  ClaimId claim_;
  std::int64_t user_id_ = 0;
  bool of_claim_ = false;
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
  std::vector<std::string_view> words(command.begin(), command.end());
  resp_.clear();
  redis::append_resp(resp_, words);
  switch (client_->send(resp_, view)) {
    case redis::Sent::kYes:
      return;
    case redis::Sent::kFull:
      return view.end(Problem::kBusy);
    case redis::Sent::kDisconnected:
      return view.end(Problem::kNotReady);
  }
}

void Views::show_coupon(http::Exchange exchange, std::int64_t coupon_id) {
  View& view = take();
  view.begin(exchange, coupon_id);
  send(view, redis::coupon_view_command(redis::CouponKeys(coupon_id), 0));
}

void Views::show_claim(http::Exchange exchange, const ClaimId& claim, std::int64_t user_id) {
  View& view = take();
  view.begin(exchange, claim, user_id);
  send(view, redis::claim_view_command(claim));
}

}  // namespace flashclaim::claim
