// FUNCTION LOAD and LIST, and the stamp that lua/assemble.cmake puts on the text.
#include "engine/redis/library.h"

#include <algorithm>

#include "engine/base/ids.h"
#include "engine/base/try.h"
#include "engine/redis/errors.h"

namespace flashclaim::redis {

namespace {

constexpr std::string_view kName = "flashclaim";

/// The value after `name` in a reply that is a flat list of names and values.
ReplyView field(ReplyView list, std::string_view name) {
  for (std::size_t i = 0; i + 1 < list.size(); i += 2) {
    if (list[i].text() == name) return list[i + 1];
  }
  return ReplyView();
}

Result<Reply> list_library(Client& client, bool with_code) {
  std::vector<std::string> argv{"FUNCTION", "LIST", "LIBRARYNAME", std::string(kName)};
  if (with_code) argv.emplace_back("WITHCODE");
  return ok(client.command(argv));
}

/// The text between `before` and the next `'`.
std::string_view quoted(std::string_view code, std::string_view before) {
  const auto begin = code.find(before);
  if (begin == std::string_view::npos) return {};
  code.remove_prefix(begin + before.size());
  const auto end = code.find('\'');
  return end == std::string_view::npos ? std::string_view() : code.substr(0, end);
}

}  // namespace

std::string_view word(LoadOutcome outcome) {
  switch (outcome) {
    case LoadOutcome::kLoaded:
      return "loaded";
    case LoadOutcome::kReplaced:
      return "replaced";
    case LoadOutcome::kUnchanged:
      return "unchanged";
    case LoadOutcome::kNewer:
      return "newer";
    case LoadOutcome::kOtherText:
      return "other_text";
  }
  return {};
}

Result<std::optional<LoadedLibrary>> loaded_library(Client& client) {
  const auto reply = TRY(client.command({"FCALL_RO", "flashclaim_version", "0"}));
  if (reply.is_error()) {
    Error error = error_of(reply.view());
    if (error.code == ErrorCode::kMissing) return std::optional<LoadedLibrary>();
    return error;
  }
  const auto version = parse_number(reply[0].text(), 1'000'000);
  if (!version) return failure("flashclaim_version: unexpected reply");
  return std::optional<LoadedLibrary>({static_cast<int>(*version), std::string(reply[1].text())});
}

Result<LoadOutcome> load_library(Client& client, const LuaLibrary& library, bool downgrade) {
  auto loaded = TRY(loaded_library(client));
  auto outcome = LoadOutcome::kLoaded;
  if (loaded.has_value()) {
    const LoadedLibrary& there = *loaded;
    if (there.version == library.version && there.hash == library.hash) {
      const auto same = verify_library(client, library);  // a text that was tampered with keeps its stamp
      if (!same) return same.error();
      if (*same) return LoadOutcome::kUnchanged;
    }
    if (there.version > library.version && !downgrade) return LoadOutcome::kNewer;
    if (there.version == library.version && there.hash != library.hash && !downgrade) return LoadOutcome::kOtherText;
    if (there.version == library.version) outcome = LoadOutcome::kReplaced;
  }
  TRY(ok(client.command({"FUNCTION", "LOAD", "REPLACE", library.code})));
  return outcome;
}

Result<std::optional<std::string>> loaded_code(Client& client) {
  auto reply = TRY(list_library(client, true));
  if (reply.size() == 0) return std::optional<std::string>();
  return std::optional<std::string>(field(reply[0], "library_code").text());
}

Result<std::vector<std::string>> loaded_functions(Client& client) {
  auto reply = TRY(list_library(client, false));
  std::vector<std::string> names;
  const ReplyView functions = field(reply[0], "functions");
  for (std::size_t i = 0; i < functions.size(); ++i) names.emplace_back(field(functions[i], "name").text());
  std::sort(names.begin(), names.end());
  return names;
}

Result<bool> verify_library(Client& client, const LuaLibrary& library) {
  auto code = TRY(loaded_code(client));
  return code.has_value() && *code == library.code;
}

std::optional<LoadedLibrary> stamp_of(std::string_view code) {
  const auto version = parse_number(quoted(code, "\nlocal LIBRARY_VERSION = '"), 1'000'000);
  const auto hash = quoted(code, "\nlocal LIBRARY_HASH = '");
  if (!version || hash.empty()) return std::nullopt;
  return LoadedLibrary{static_cast<int>(*version), std::string(hash)};
}

}  // namespace flashclaim::redis
