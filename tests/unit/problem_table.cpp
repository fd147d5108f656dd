// The table of refusals against what repeats it for people: the Lua library, the document of the API, the retry policy.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "engine/problem/problem.h"
#include "engine/redis/functions.h"
#include "tests/harness/paths.h"

namespace flashclaim {
namespace {

using Words = std::set<std::string>;

std::string content_of(const std::string& path) {
  std::ifstream file(harness::source_dir() + "/" + path);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

Words all_of(const std::string& text, const char* pattern) {
  Words found;
  const std::regex regex(pattern);
  for (std::sregex_iterator match(text.begin(), text.end(), regex), end; match != end; ++match)
    found.insert((*match)[1]);
  return found;
}

std::string between(const std::string& text, const std::string& begin, const std::string& end) {
  const auto from = text.find(begin);
  EXPECT_NE(from, std::string::npos) << begin;
  if (from == std::string::npos) return {};
  const auto to = text.find(end, from + begin.size());
  EXPECT_NE(to, std::string::npos) << "after '" << begin << "' no '" << end << "'";
  return text.substr(from + begin.size(), to - from - begin.size());
}

Words words_of_table() {
  Words words;
  for (const ProblemRow& row : kProblems)
    if (!row.verdict.empty()) words.emplace(row.verdict);
  return words;
}

/// Set against set, and the difference by name.
void expect_same(const Words& table, const Words& document, const std::string& where) {
  for (const std::string& word : table)
    EXPECT_TRUE(document.contains(word)) << where << " lacks " << word << " of engine/problem/problem.h";
  for (const std::string& word : document)
    EXPECT_TRUE(table.contains(word)) << where << " has " << word << ", engine/problem/problem.h lacks it";
}

TEST(ProblemTable, HasEveryCodeAndEveryVerdictOnce) {
  Words codes;
  for (const ProblemRow& row : kProblems) EXPECT_TRUE(codes.emplace(row.code).second) << row.code;
  std::size_t verdicts = 0;
  for (const ProblemRow& row : kProblems) verdicts += row.verdict.empty() ? 0 : 1;
  EXPECT_EQ(words_of_table().size(), verdicts);
}

TEST(ProblemTable, IsReadBackFromTheWordsOfRedis) {
  for (const ProblemRow& row : kProblems) {
    const auto read = redis::parse_verdict(row.verdict);
    ASSERT_EQ(read.has_value(), !row.verdict.empty()) << row.code;
    if (!read) continue;
    EXPECT_EQ(read->verdict, redis::Verdict::kRefused) << row.code;
    EXPECT_EQ(read->refusal, row.problem) << row.code;
    EXPECT_EQ(redis::word(*read), row.verdict) << row.code;
  }
  EXPECT_EQ(redis::parse_verdict("ACCEPTED")->verdict, redis::Verdict::kAccepted);
  EXPECT_EQ(redis::parse_verdict("REPLAYED")->verdict, redis::Verdict::kReplayed);
  for (const char* word : {"ACCEPTED", "REPLAYED"}) EXPECT_EQ(redis::word(*redis::parse_verdict(word)), word);
  for (const char* none : {"", "accepted", "SOLD_OUT ", "SOLD", "COUPON_NOT_FOUND", "OUTCOME_UNKNOWN"})
    EXPECT_FALSE(redis::parse_verdict(none)) << none;
}

/// What `claim` says in its header that it replies, and what its code says.
TEST(ProblemTable, HasTheWordsOfTheLuaLibrary) {
  const std::string lua = content_of("lua/20_claim.lua");
  Words header = all_of(between(lua, "verdicts joined by one space", "The index of"), R"(([A-Z][A-Z_]{3,}))");
  for (const char* accepted : {"ACCEPTED", "REPLAYED", "ARGV"}) header.erase(accepted);
  expect_same(words_of_table(), header, "lua/20_claim.lua, REPLY of claim,");
  Words said = all_of(lua, R"((?:return |words\[i\] = |and |or )'([A-Z_]+))");
  for (const char* accepted : {"ACCEPTED", "REPLAYED"}) said.erase(accepted);
  expect_same(words_of_table(), said, "the code of lua/20_claim.lua");
}

/// The lines of components/schemas/NAME.
std::string schema_of(const std::string& yaml, const std::string& name) {
  std::istringstream lines(yaml.substr(std::min(yaml.find("\n  schemas:\n"), yaml.size())));
  std::string line, schema;
  bool inside = false;
  while (std::getline(lines, line)) {
    if (line.find_first_not_of(' ') == 4) inside = line.starts_with("    " + name + ":");
    if (inside) schema += line.substr(line.find(':')) + '\n';
  }
  EXPECT_FALSE(schema.empty()) << "engine/http/openapi.yaml has no schema " << name;
  return schema;
}

/// Of POST receive, by status: the codes of the schema that the response names.
TEST(ProblemTable, IsWhatTheDocumentOfTheApiSays) {
  const std::string yaml = content_of("engine/http/openapi.yaml");
  const std::string receive = between(yaml, "  /coupons/{couponId}/receive:\n", "\n  /claims/");
  std::map<int, Words> documented;
  const std::regex response(R"rx("(\d+)": \{ \$ref: "#/components/responses/(\w+)" \})rx");
  for (std::sregex_iterator match(receive.begin(), receive.end(), response), end; match != end; ++match) {
    const std::string schema = schema_of(yaml, (*match)[2]);
    documented[std::stoi((*match)[1])] = all_of(schema, R"(\b([A-Z][A-Z_]{3,})\b)");
  }
  Words any;
  for (const auto& [status, codes] : documented)
    for (const std::string& code : codes) any.insert(code);
  for (const ProblemRow& row : kProblems) {
    if (row.verdict.empty()) continue;
    EXPECT_TRUE(documented[row.status].contains(std::string(row.code)))
        << "engine/http/openapi.yaml: a " << row.status << " of receive lacks " << row.code;
  }
  for (const auto& [status, codes] : documented)
    for (const std::string& code : codes) {
      bool known = false;
      for (const ProblemRow& row : kProblems) known = known || (row.code == code && row.status == status);
      EXPECT_TRUE(known) << "engine/http/openapi.yaml: no row of engine/problem/problem.h is " << status << ' ' << code;
    }
  EXPECT_TRUE(any.contains("OUTCOME_UNKNOWN")) << "this test reads the document wrongly";
}

TEST(ProblemTable, IsWhatTheRetryPolicySays) {
  std::istringstream lines(content_of("engine/http/retry.md"));
  std::map<std::string, std::pair<int, int>> rows;  // by code: its status, in so many rows
  std::string line;
  while (std::getline(lines, line)) {
    std::smatch cells;
    if (!std::regex_search(line, cells, std::regex(R"(^\| (.*?) \| (\d+) \|)"))) continue;
    for (const std::string& code : all_of(cells[1], R"(`([A-Z][A-Z_]+)`)")) {
      rows[code].first = std::stoi(cells[2]);
      ++rows[code].second;
    }
  }
  Words table, document;
  for (const ProblemRow& row : kProblems) {
    const std::string code(row.code);
    table.insert(code);
    if (!rows.contains(code)) continue;
    EXPECT_EQ(rows[code].first, row.status) << "engine/http/retry.md: " << code;
    EXPECT_EQ(rows[code].second, 1) << "engine/http/retry.md: " << code;
  }
  for (const auto& [code, row] : rows) document.insert(code);
  expect_same(table, document, "the table of engine/http/retry.md");
}

}  // namespace
}  // namespace flashclaim
