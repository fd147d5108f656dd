// Splits the query at `&`, takes the first value of the name, and counts how often it stands there.
#include "engine/http/query.h"

namespace flashclaim::http {

QueryMatch query_parameter(std::string_view query, std::string_view name) {
  QueryMatch match;
  while (!query.empty()) {
    const auto end = query.find('&');
    const std::string_view item = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    const auto equals = item.find('=');
    if (item.substr(0, equals) != name || item.empty()) continue;
    if (match.count++ == 0 && equals != std::string_view::npos) match.value = item.substr(equals + 1);
  }
  return match;
}

}  // namespace flashclaim::http
