// Writes the documents once, from the table; an answer only adds its headers.
#include "engine/http/problem.h"

#include <array>
#include <cstdint>
#include <string>

namespace flashclaim::http {
namespace {

std::string body_of(Problem problem) {
  const ProblemRow& about = row_of(problem);
  std::string body = "{\"type\":\"about:blank\",\"title\":\"";
  body.append(about.title).append("\",\"status\":").append(std::to_string(about.status));
  body.append(",\"code\":\"").append(about.code).append("\",\"detail\":\"").append(about.detail).append("\"");
  if (about.applied != Applied::kNotSaid)
    body.append(about.applied == Applied::kNo ? ",\"applied\":\"no\"" : ",\"applied\":\"unknown\"");
  return body + "}";
}

/// Jitter needs no quality, only that a crowd does not come back at once.
int between(int low, int high) {
  thread_local std::uint32_t state = 0x9e3779b9u ^ static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(&state));
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return low + static_cast<int>(state % static_cast<std::uint32_t>(high - low + 1));
}

}  // namespace

std::string_view problem_code(Problem problem) { return row_of(problem).code; }
Status problem_status(Problem problem) { return static_cast<Status>(row_of(problem).status); }

Answer problem_answer(Problem problem, std::string_view allow) {
  static const std::array<std::string, kProblemCount> kBodies = [] {
    std::array<std::string, kProblemCount> bodies;
    for (int i = 0; i < kProblemCount; ++i) bodies[static_cast<std::size_t>(i)] = body_of(static_cast<Problem>(i));
    return bodies;
  }();
  thread_local std::string headers;
  headers.clear();
  if (const ProblemRow& about = row_of(problem); about.retry_max_s > 0)
    headers.append("Retry-After: ")
        .append(std::to_string(between(about.retry_min_s, about.retry_max_s)))
        .append("\r\n");
  if (!allow.empty()) headers.append("Allow: ").append(allow).append("\r\n");
  return {problem_status(problem), kProblemJson, headers, kBodies[static_cast<std::size_t>(problem)]};
}

}  // namespace flashclaim::http
