// Splits a URL by hand and decodes its percent escapes; anything unclear is refused.
#include "engine/base/url.h"

#include <algorithm>

#include "engine/base/ids.h"

namespace flashclaim {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0) {
      out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

// The scheme is the one part that errors repeat: nothing that could be a misplaced password passes for one.
bool is_scheme(std::string_view text) {
  for (char c : text) {
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.')) return false;
  }
  return !text.empty() && text.size() <= 16;
}

}  // namespace

std::string Url::bare_host() const {
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  return bracketed ? host.substr(1, host.size() - 2) : host;
}

std::string Url::redacted() const {
  return scheme + "://" + host + (port ? ':' + std::to_string(port) : std::string()) + '/' + path;
}

std::vector<std::pair<std::string, std::string>> Url::parameters() const {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (std::string_view rest = query; !rest.empty();) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
    const auto mark = pair.find('=');
    const std::string_view value = mark == std::string_view::npos ? std::string_view() : pair.substr(mark + 1);
    if (!pair.empty()) pairs.emplace_back(percent_decoded(pair.substr(0, mark)), percent_decoded(value));
  }
  return pairs;
}

Result<Url> parse_url(std::string_view text) {
  Url url;
  auto colon = text.find("://");
  if (colon == std::string_view::npos || !is_scheme(text.substr(0, colon))) return failure("not a URL: no scheme://");
  url.scheme = text.substr(0, colon);
  text.remove_prefix(colon + 3);
  const auto question = std::min(text.find('?'), text.size());
  if (question < text.size()) url.query = text.substr(question + 1);
  text = text.substr(0, question);
  auto slash = text.find('/');
  std::string_view authority = text.substr(0, slash);
  if (slash != std::string_view::npos) url.path = percent_decoded(text.substr(slash + 1));
  if (auto at = authority.rfind('@'); at != std::string_view::npos) {
    std::string_view credentials = authority.substr(0, at);
    authority.remove_prefix(at + 1);
    auto mark = credentials.find(':');
    url.user = percent_decoded(credentials.substr(0, mark));
    if (mark != std::string_view::npos) url.password = percent_decoded(credentials.substr(mark + 1));
  }
  auto mark = authority.rfind(':');
  if (authority.ends_with(']')) mark = std::string_view::npos;  // the colons are those of an IPv6 address
  url.host = authority.substr(0, mark);
  if (mark != std::string_view::npos) {
    auto port = parse_number(authority.substr(mark + 1), 65535);
    if (!port || *port == 0) return failure("a " + url.scheme + " URL with a port that is not 1..65535");
    url.port = static_cast<int>(*port);
  }
  if (url.host.empty()) return failure("a " + url.scheme + " URL without a host");
  return url;
}

}  // namespace flashclaim
