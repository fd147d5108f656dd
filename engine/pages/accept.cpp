// Reads the Accept header part by part; of the weights only q=0 matters: it forbids.
#include "engine/pages/accept.h"

#include "engine/http/parser.h"

namespace flashclaim::pages {
namespace {

/// Cuts the part before the next `separator` from `rest` and returns it without blanks around it.
std::string_view next_part(std::string_view& rest, char separator) {
  const auto end = rest.find(separator);
  std::string_view part = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  while (part.starts_with(' ') || part.starts_with('\t')) part.remove_prefix(1);
  while (part.ends_with(' ') || part.ends_with('\t')) part.remove_suffix(1);
  return part;
}

/// `q=0`, `q=0.000`.
bool forbids(std::string_view parameter) {
  if (parameter.size() < 3 || !http::equals_ignoring_case(parameter.substr(0, 2), "q=")) return false;
  return parameter.substr(2).find_first_not_of("0.") == std::string_view::npos;
}

}  // namespace

bool wants_html(std::string_view accept) {
  while (!accept.empty()) {
    std::string_view range = next_part(accept, ',');
    if (!http::equals_ignoring_case(next_part(range, ';'), "text/html")) continue;
    bool forbidden = false;
    while (!range.empty()) forbidden = forbids(next_part(range, ';')) || forbidden;
    return !forbidden;
  }
  return false;
}

}  // namespace flashclaim::pages
