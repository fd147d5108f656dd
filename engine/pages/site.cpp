// Picks the answer by path and method: a coupon, a list, a file, OPTIONS, or "not found".
#include "engine/pages/site.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <string>
#include <vector>

#include "engine/base/ids.h"
#include "engine/base/log.h"
#include "engine/http/query.h"
#include "engine/pages/accept.h"
#include "engine/pages/coupon_text.h"
#include "engine/pages/paging.h"
#include "engine/pages/target.h"
#include "engine/pages/web.h"

namespace flashclaim::pages {

using auth::Caller;
using http::Exchange;
using http::Method;
using http::Problem;
using http::Request;
using http::Status;

namespace {

/// A shared cache may serve anonymous callers for a second; an answer with a user's own count is never shared.
constexpr std::string_view kPublic = "public, max-age=1";
constexpr std::string_view kPersonal = "private, no-cache";

constexpr std::string_view kForever = "public, max-age=31536000, immutable";  // its URL contains its version

std::string_view type_of(std::string_view name) {
  if (name.ends_with(".html")) return "text/html; charset=utf-8";
  if (name.ends_with(".css")) return "text/css; charset=utf-8";
  return "text/javascript; charset=utf-8";
}

constexpr std::string_view kMissing = "missing.html";

}  // namespace

/// A list request under way: it is answered when the last of its coupons is known.
struct Site::List {
  Exchange exchange;
  std::string if_none_match;
  std::int64_t after = 0;
  std::size_t limit = 0;
  std::vector<std::string> items;  ///< empty ones are not open any more
  std::size_t unknown = 0;
  std::int64_t next = 0;  ///< 0: this is the last page
  std::int64_t server_time_ms = 0;
};

void Site::bind(http::Server& server, redis::AsyncClient& client, auth::AuthFilter& auth, const http::Cors& cors) {
  auth_ = &auth;
  server_ = &server;
  cors_ = cors;
  coupons_.bind(client);
}

void Site::handle(const Request& request, const Caller& caller, Exchange exchange) noexcept {
  const PageTarget target = parse_page(request.path);
  if (target.page == Page::kNone) return show_missing(request, exchange, Problem::kNotFound);
  if (request.method == Method::kOptions) return answer_options(request, exchange);
  const bool reads = request.method == Method::kGet || request.method == Method::kHead;
  if (reads && target.page == Page::kCoupon) return show_coupon(request, caller, exchange, target.id);
  if (reads && (target.page == Page::kSale || target.page == Page::kAsset)) return show_file(request, exchange, target);
  if (reads && target.page == Page::kCoupons) return list_coupons(request, exchange);
  if (reads && target.page == Page::kHeld) return list_held(request, caller, exchange);
  server_->refuse(exchange, Problem::kMethodNotAllowed, methods_of(target.page));
}

void Site::answer_options(const Request& request, Exchange exchange) {
  const std::string_view methods = methods_of(parse_page(request.path).page);
  const std::string lines =
      std::string("Allow: ").append(methods).append("\r\n").append(cors_.preflight(request, methods));
  server_->answer(exchange, {Status::kNoContent, {}, lines, {}});
}

void Site::show_coupon(const Request& request, const Caller& caller, Exchange exchange, std::string_view id) {
  const auto coupon_id = parse_id(id);
  if (!coupon_id) {
    server_->refuse(exchange, Problem::kCouponNotFound);
  } else {
    coupons_.ask(*coupon_id, caller.user_id,
                 [this, exchange, coupon_id, user_id = caller.user_id,
                  if_none_match = std::string(request.header("if-none-match").value)](const CouponNews& news) {
                   if (!news.view) {
                     server_->refuse(exchange, news.problem);
                     return;
                   }
                   std::optional<Holder> holder;
                   if (news.mine) holder = Holder{user_id, *news.mine};
                   answer_cached(exchange, if_none_match, coupon_tag(*news.view, holder),
                                 coupon_json(*coupon_id, *news.view, news.server_time_ms, holder), news.server_time_ms,
                                 holder.has_value());
                 });
  }
}

/// A browser gets an HTML page, a program problem+json.
void Site::show_missing(const Request& request, Exchange exchange, Problem problem) {
  const bool reads = request.method == Method::kGet || request.method == Method::kHead;
  if (!reads || !wants_html(request.header("accept").value)) {
    server_->refuse(exchange, problem);
  } else {
    server_->answer(exchange, {Status::kNotFound, type_of(kMissing), kPolicy, web_file(kMissing)->text});
  }
}

/// The page is the same for every coupon: its script asks for the coupon. An asset with the current version in its
/// query may be cached for ever.
void Site::show_file(const Request& request, Exchange exchange, const PageTarget& target) {
  const bool page = target.page == Page::kSale;
  const std::string_view name = page ? "sale.html" : target.id;
  const WebFile* file = page == name.ends_with(".html") ? web_file(name) : nullptr;
  if (page && !parse_id(target.id)) return show_missing(request, exchange, Problem::kCouponNotFound);
  if (!file) return show_missing(request, exchange, Problem::kNotFound);
  const bool versioned = http::query_parameter(request.query, "v").value == kWebVersion;
  const std::string tag = fmt::format("\"{}\"", kWebVersion);
  const std::string lines = fmt::format("ETag: {}\r\n{}", tag, kPolicy);
  const bool unchanged = tag_matches(request.header("if-none-match").value, tag);
  server_->answer(exchange, {unchanged ? Status::kNotModified : Status::kOk, type_of(name), lines,
                             unchanged ? std::string_view() : file->text, versioned ? kForever : "no-cache"});
}

void Site::list_coupons(const Request& request, Exchange exchange) {
  const auto limit = parse_limit(request.query);
  const http::QueryMatch after = http::query_parameter(request.query, "after");
  const auto cursor = after.count == 0 ? 0 : parse_id(after.value).value_or(-1);
  if (!limit || after.count > 1 || cursor < 0) {
    server_->refuse(exchange, Problem::kInvalidRequest);
    return;
  }
  auto list = std::make_shared<List>();
  list->exchange = exchange;
  list->if_none_match = request.header("if-none-match").value;
  list->after = cursor;
  list->limit = static_cast<std::size_t>(*limit);
  coupons_.ask_ids([this, list](const std::vector<std::int64_t>* ids, Problem problem) {
    if (!ids) {
      server_->refuse(list->exchange, problem);
    } else {
      gather(list, *ids);
    }
  });
}

void Site::list_held(const Request& request, const Caller& caller, Exchange exchange) {
  const auto range = parse_held_range(request.query);
  if (!caller.known()) {
    auth_->refuse_unknown(exchange);
  } else if (!range) {
    server_->refuse(exchange, Problem::kInvalidRequest);
  } else if (!archive_) {
    server_->refuse(exchange, Problem::kNotReady);
  } else {
    archive_->answer_held(exchange, caller.user_id, *range);
  }
}

/// Asks the cache for every coupon of the page; the last one that becomes known sends the answer.
void Site::gather(const std::shared_ptr<List>& list, const std::vector<std::int64_t>& all) {
  const auto from = std::upper_bound(all.begin(), all.end(), list->after);
  const auto n = std::min<std::size_t>(list->limit, static_cast<std::size_t>(all.end() - from));
  const std::vector<std::int64_t> ids(from, from + static_cast<std::ptrdiff_t>(n));
  if (from + static_cast<std::ptrdiff_t>(n) != all.end()) list->next = ids.back();
  list->items.resize(n);
  list->unknown = n;
  if (n == 0) return answer_list(*list);
  for (std::size_t i = 0; i < n; ++i)
    coupons_.ask(ids[i], 0, [this, list, i, id = ids[i]](const CouponNews& news) {
      if (news.view && news.view->status != "ended") {
        list->items[i] = coupon_item(id, *news.view);
        list->server_time_ms = news.server_time_ms;
      }
      if (--list->unknown == 0) answer_list(*list);
    });
}

void Site::answer_list(const List& list) {
  std::string body = R"({"coupons":[)";
  for (const std::string& item : list.items)
    if (!item.empty()) body.append(body.back() == '[' ? "" : ",").append(item);
  body += ']';
  if (list.next != 0) body += fmt::format(R"(,"next":"{}")", list.next);
  const std::string tag = text_tag(body);
  if (list.server_time_ms != 0) body += fmt::format(R"(,"serverTimeMs":{})", list.server_time_ms);
  body += '}';
  answer_cached(list.exchange, list.if_none_match, tag, body, list.server_time_ms, false);
}

void Site::answer_cached(Exchange exchange, std::string_view if_none_match, std::string_view tag, std::string_view body,
                         std::int64_t server_time_ms, bool personal) {
  std::string lines = fmt::format("ETag: {}\r\nVary: X-User-Id, Authorization\r\n", tag);
  if (server_time_ms != 0) lines += fmt::format("X-Server-Time-Ms: {}\r\n", server_time_ms);
  const bool unchanged = tag_matches(if_none_match, tag);
  server_->answer(exchange, {unchanged ? Status::kNotModified : Status::kOk, http::kJson, lines,
                             unchanged ? std::string_view() : body, personal ? kPersonal : kPublic});
}

}  // namespace flashclaim::pages
