// flashctl lua: the library of rules in Redis: load, list, diff, verify, rollback.
#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "engine/base/try.h"
#include "engine/cli/command.h"
#include "engine/cli/line_diff.h"
#include "engine/redis/keys.h"
#include "engine/redis/library.h"

namespace flashclaim::cli {
namespace {

std::string named(const redis::LoadedLibrary& library) {
  return fmt::format("version {} ({})", library.version, library.hash.substr(0, 12));
}
redis::LoadedLibrary ours() { return {kLuaLibrary.version, std::string(kLuaLibrary.hash)}; }

Result<std::optional<std::string>> previous_code(redis::Client& redis) {
  const auto reply = TRY(redis::ok(redis.command({"GET", redis::kPreviousLibrary})));
  if (reply.is_nil()) return std::optional<std::string>();
  return std::optional(std::string(reply.text()));
}

/// Keeps the text that is loaded now, in the same Redis: after a loss of data there is nothing to roll back to. Called
/// before the load: after a crash in between both texts are the same, and rollback says so.
Result<void> keep_loaded(redis::Client& redis) {
  const auto code = TRY(redis::loaded_code(redis));
  if (!code.has_value()) return {};
  TRY(redis::ok(redis.command({"SET", redis::kPreviousLibrary, *code})));
  return {};
}

/// Two texts of one version: engines cannot tell which one is right, only the person who changed the library can.
std::string other_text(const redis::LoadedLibrary& loaded) {
  return fmt::format(
      "{} is loaded, and this build has another text of the same version ({}). If the library was changed: write a "
      "higher number into lua/VERSION and build again. To put this build's text in its place all the same: lua load "
      "--downgrade (flashctl lua diff shows what differs)",
      named(loaded), kLuaLibrary.hash.substr(0, 12));
}

CommandResult load(Context& context, const Arguments& arguments) {
  const auto redis = context.redis();
  if (!redis) return context.failed(redis.error());
  const auto loaded = redis::loaded_library(**redis);
  if (!loaded) return context.failed(loaded.error());
  const auto same = redis::verify_library(**redis, kLuaLibrary);
  if (!same) return context.failed(same.error());
  Document document;
  document.add_json("version", Cell::number(kLuaLibrary.version)).add_json("hash", Cell::text(kLuaLibrary.hash));
  if (*same) return done(named(ours()) + " is loaded already", document.add_json("changed", Cell::flag(false)));
  const bool newer = loaded->has_value() && (*loaded)->version > kLuaLibrary.version;
  const bool other =
      loaded->has_value() && (*loaded)->version == kLuaLibrary.version && (*loaded)->hash != kLuaLibrary.hash;
  const bool downgrade = arguments.has("downgrade");
  if (other && !downgrade) return refused(other_text(**loaded));
  if (newer && !downgrade) {
    return refused(
        fmt::format("{} is loaded, which is newer than {} of this build: use the newer build, or lua load "
                    "--downgrade",
                    named(**loaded), named(ours())));
  }
  if (context.dry_run()) {
    return done(fmt::format("would load {} in place of {} (nothing was changed)", named(ours()),
                            loaded->has_value() ? named(**loaded) : "nothing"));
  }
  if (newer || other) {
    const char* what = newer ? "the older" : "another text of the same version,";
    if (auto stop = context.confirm(fmt::format("Replace {} by {} {}?", named(**loaded), what, named(ours()))))
      return *stop;
  }
  const auto kept = keep_loaded(**redis);
  if (!kept) return context.failed(kept.error());
  const auto outcome = redis::load_library(**redis, kLuaLibrary, downgrade);
  if (!outcome) return context.failed(outcome.error());
  if (*outcome == redis::LoadOutcome::kNewer) return refused("a newer version was loaded by somebody else meanwhile");
  if (*outcome == redis::LoadOutcome::kOtherText) return refused("another build was loaded by somebody else meanwhile");
  return done("loaded " + named(ours()), document.add_json("changed", Cell::flag(true)));
}

CommandResult list(Context& context, const Arguments&) {
  const auto redis = context.redis();
  if (!redis) return context.failed(redis.error());
  const auto loaded = redis::loaded_library(**redis);
  if (!loaded) return context.failed(loaded.error());
  const auto previous = previous_code(**redis);
  if (!previous) return context.failed(previous.error());
  const auto functions = redis::loaded_functions(**redis);
  if (!functions) return context.failed(functions.error());
  Table libraries{{"which", "version", "hash"}, {}};
  const auto add = [&](std::string_view which, const std::optional<redis::LoadedLibrary>& library) {
    libraries.rows.push_back({Cell::text(which), library ? Cell::number(library->version) : Cell::none(),
                              library ? Cell::text(library->hash) : Cell::none()});
  };
  add("loaded", *loaded);
  add("this build", ours());
  add("previous", previous->has_value() ? redis::stamp_of(**previous) : std::nullopt);
  Table names{{"function"}, {}};
  for (const std::string& name : *functions) names.rows.push_back({Cell::text(name)});
  Document document;
  return done("", document.add("libraries", std::move(libraries)).add("functions", std::move(names)));
}

CommandResult diff(Context& context, const Arguments&) {
  const auto redis = context.redis();
  if (!redis) return context.failed(redis.error());
  const auto code = redis::loaded_code(**redis);
  if (!code) return context.failed(code.error());
  if (!code->has_value()) return refused("no library is loaded: flashctl lua load");
  Table table{{"side", "line", "text"}, {}};
  for (const LineChange& change : line_diff(**code, kLuaLibrary.code)) {
    table.rows.push_back({Cell::text(change.added ? "+" : "-"), Cell::number(change.line), Cell::text(change.text)});
  }
  const bool same = table.rows.empty();
  Document document;
  document.add("changes", std::move(table));
  if (same) return done("the loaded library is that of this build", document);
  return {Exit::kViolated, "the loaded library (-) differs from that of this build (+)", document};
}

CommandResult verify(Context& context, const Arguments&) {
  const auto redis = context.redis();
  if (!redis) return context.failed(redis.error());
  const auto loaded = redis::loaded_library(**redis);
  if (!loaded) return context.failed(loaded.error());
  if (!loaded->has_value()) return refused("no library is loaded: flashctl lua load");
  const auto same = redis::verify_library(**redis, kLuaLibrary);
  if (!same) return context.failed(same.error());
  Document document;
  document.add("loaded", Cell::text(named(**loaded))).add("thisBuild", Cell::text(named(ours())));
  if (*same) return done("byte for byte that of this build", document);
  return {Exit::kViolated, "the loaded library is not that of this build: flashctl lua diff", document};
}

CommandResult rollback(Context& context, const Arguments&) {
  const auto redis = context.redis();
  if (!redis) return context.failed(redis.error());
  const auto previous = previous_code(**redis);
  if (!previous) return context.failed(previous.error());
  if (!previous->has_value()) return refused("no earlier library is kept in this Redis");
  const auto stamp = redis::stamp_of(**previous);
  if (!stamp) return refused(std::string(redis::kPreviousLibrary) + " holds no library of ours");
  const LuaLibrary library{stamp->version, stamp->hash, **previous};
  const auto same = redis::verify_library(**redis, library);
  if (!same) return context.failed(same.error());
  if (*same) return done(named(*stamp) + " is loaded already", Document().add_json("changed", Cell::flag(false)));
  if (context.dry_run()) return done("would go back to " + named(*stamp) + " (nothing was changed)");
  if (auto stop = context.confirm("Go back to " + named(*stamp) + "?")) return *stop;
  const auto code = redis::loaded_code(**redis);
  if (!code) return context.failed(code.error());
  const auto outcome = redis::load_library(**redis, library, true);
  if (!outcome) return context.failed(outcome.error());
  // Kept only now: after a crash before this, a repetition finds the earlier text loaded and has nothing to do.
  if (code->has_value()) {
    const auto kept = redis::ok((*redis)->command({"SET", redis::kPreviousLibrary, **code}));
    if (!kept) return context.failed(kept.error());
  }
  return done("went back to " + named(*stamp) + "; a second rollback undoes it",
              Document().add_json("changed", Cell::flag(true)));
}

}  // namespace

std::vector<Verb> lua_verbs() {
  return {
      {"lua",
       "load",
       "",
       "load the library of this build; never replaces a newer one, or another of the same version, by itself",
       true,
       {{"downgrade", "", "also where a newer one, or another of the same version, is loaded (asks)"}},
       load},
      {"lua", "list", "", "what is loaded, what this build has, what is kept for a rollback", false, {}, list},
      {"lua", "diff", "", "line by line, what is loaded against this build", false, {}, diff},
      {"lua", "verify", "", "whether Redis runs exactly the library of this build", false, {}, verify},
      {"lua", "rollback", "", "go back to the library before the last load (asks)", true, {}, rollback},
  };
}

}  // namespace flashclaim::cli
