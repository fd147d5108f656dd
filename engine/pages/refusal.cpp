// Picks the HTML page of a refusal when the request accepts HTML.
#include "engine/pages/refusal.h"

#include "engine/pages/accept.h"
#include "engine/pages/web.h"

namespace flashclaim::pages {

std::optional<auth::Page> refusal_page(const http::Request& request, http::Problem problem) {
  const bool reads = request.method == http::Method::kGet || request.method == http::Method::kHead;
  if (!reads || !wants_html(request.header("accept").value)) return std::nullopt;
  const std::string_view name = problem == http::Problem::kRateLimited ? "busy.html" : "refused.html";
  return auth::Page{kHtml, kPolicy, web_file(name)->text};
}

}  // namespace flashclaim::pages
