// The parameters of a request's query: plain ones, nothing of this API needs percent-encoding.
#pragma once

#include <string_view>

namespace flashclaim::http {

/// How often a parameter is there, and its first value. "" without a `=`.
struct QueryMatch {
  int count = 0;
  std::string_view value;
};
QueryMatch query_parameter(std::string_view query, std::string_view name);

}  // namespace flashclaim::http
