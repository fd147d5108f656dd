// Parses argv, runs the verb, prints its result and returns the exit code.
#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cxxopts.hpp>

#include "engine/base/environment.h"
#include "engine/base/ids.h"
#include "engine/base/json.h"
#include "engine/base/log.h"
#include "engine/base/print.h"
#include "engine/base/text.h"
#include "engine/cli/command.h"

namespace flashclaim::cli {
namespace {

const std::vector<Option> kEverywhere = {{"output", "FORMAT", "text (a table) or json (one object)", "text json"},
                                         {"help", "", "show this help"}};
const std::vector<Option> kWhereItChanges = {
    {"dry-run", "", "say what would be done, change nothing"},
    {"yes", "", "do not ask"},
    {"by", "NAME", "who does it, for the log (default FLASHCLAIM_BY, or you)"}};
constexpr std::size_t kByBytesMax = 200;

/// Version of the JSON object: it rises when a member changes its meaning or is removed.
constexpr int kJsonSchema = 1;

std::vector<Option> all_options(const Verb& verb) {
  std::vector<Option> options = verb.options;
  if (verb.changes) options.insert(options.end(), kWhereItChanges.begin(), kWhereItChanges.end());
  options.insert(options.end(), kEverywhere.begin(), kEverywhere.end());
  return options;
}

bool is_noun(std::string_view word) {
  return std::any_of(verbs().begin(), verbs().end(), [&](const Verb& verb) { return verb.noun == word; });
}

const Verb* find_verb(std::string_view noun, std::string_view word) {
  const auto found = std::find_if(verbs().begin(), verbs().end(), [&](const Verb& verb) {
    return verb.noun == noun && (verb.verb.empty() || verb.verb == word);
  });
  return found == verbs().end() ? nullptr : &*found;
}

/// Moves options before the noun to the end, so that both orders work.
std::vector<std::string> reordered(int argc, const char* const* argv) {
  std::vector<std::string> words;
  std::vector<std::string> leading;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (words.empty() && word.starts_with("-")) {
      leading.push_back(word);
      if (word == "--output" && i + 1 < argc) leading.emplace_back(argv[++i]);
    } else {
      words.push_back(word);
    }
  }
  words.insert(words.end(), leading.begin(), leading.end());
  return words;
}

struct Parsed {
  Arguments arguments;
  std::string wrong;  ///< what the usage error says; empty: fine
};

int words_needed(const Verb& verb) {
  return static_cast<int>(std::count(verb.arguments.begin(), verb.arguments.end(), '<'));
}

int words_allowed(const Verb& verb) {
  return words_needed(verb) + static_cast<int>(std::count(verb.arguments.begin(), verb.arguments.end(), '['));
}

/// cxxopts throws on unknown options; its messages name the option and are shown as they are.
Parsed parse(const Verb& verb, const std::vector<std::string>& words) {
  cxxopts::Options parser("flashctl");
  for (const Option& option : all_options(verb)) {
    const std::string name(option.name);
    option.value.empty() ? parser.add_options()(name, "")
                         : parser.add_options()(name, "", cxxopts::value<std::string>());
  }
  std::vector<const char*> argv = {"flashctl"};
  for (const std::string& word : words) argv.push_back(word.c_str());
  Parsed parsed;
  try {
    const auto result = parser.parse(static_cast<int>(argv.size()), argv.data());
    for (const Option& option : all_options(verb)) {
      const std::string name(option.name);
      if (result.count(name) > 1) parsed.wrong = "--" + name + " stands twice";
      if (result.count(name) == 0) continue;
      parsed.arguments.options[name] = option.value.empty() ? "" : result[name].as<std::string>();
    }
    parsed.arguments.words = result.unmatched();
  } catch (const std::exception& error) {
    parsed.wrong = error.what();
    return parsed;
  }
  const int count = static_cast<int>(parsed.arguments.words.size());
  if (parsed.arguments.has("help") || !parsed.wrong.empty()) return parsed;
  if (count < words_needed(verb)) parsed.wrong = fmt::format("{} needs {}", verb.name(), verb.arguments);
  if (count > words_allowed(verb)) {
    parsed.wrong = fmt::format("'{}' is one word too many", parsed.arguments.words[words_allowed(verb)]);
  }
  return parsed;
}

void say(std::FILE* stream, const std::string& text) { std::fwrite(text.data(), 1, text.size(), stream); }

/// stdout gets the result and nothing else; errors go to stderr in both formats.
int print(const CommandResult& answer, bool json) {
  const bool ok = answer.exit == Exit::kOk;
  std::string text;
  if (json) {
    const std::string members = answer.document.json_members();
    text = fmt::format("{{\"schema\":{},\"ok\":{},\"exit\":{},\"message\":{}{}{}}}\n", kJsonSchema, ok,
                       static_cast<int>(answer.exit), json_string(answer.message), members.empty() ? "" : ",", members);
  } else {
    text = answer.document.plain(may_colour(STDOUT_FILENO));
    if (ok && !answer.message.empty()) text += shown(answer.message, '\n') + "\n";
  }
  const bool written = flashclaim::print(text);
  if (!ok) {
    const bool red = may_colour(STDERR_FILENO);
    say(stderr,
        fmt::format("{}flashctl:{} {}\n", red ? "\033[31m" : "", red ? "\033[0m" : "", shown(answer.message, '\n')));
  }
  return written || !ok ? static_cast<int>(answer.exit) : static_cast<int>(Exit::kFailure);
}

int show_help(const std::string& text) {
  return static_cast<int>(flashclaim::print(text) ? Exit::kOk : Exit::kFailure);
}

int run_verb(const Verb& verb, const std::vector<std::string>& words) {
  const Parsed parsed = parse(verb, words);
  if (parsed.arguments.has("help")) return show_help(help(verb));
  const std::string format = parsed.arguments.text("output").value_or("text");
  const bool json = format == "json";
  if (!parsed.wrong.empty()) {
    return print(usage(parsed.wrong + "; see flashctl " + verb.name() + " --help"), json);
  }
  if (!json && format != "text") return print(usage("--output is text or json"), false);
  const std::string by = !verb.changes ? "" : parsed.arguments.text("by").value_or(who_it_is());
  if (verb.changes && (by.empty() || by.size() > kByBytesMax || Cell::text(by).plain() != by)) {
    return print(usage(fmt::format("--by (or FLASHCLAIM_BY) is a name of 1 to {} bytes in UTF-8", kByBytesMax)), json);
  }
  Context context(parsed.arguments.has("dry-run"), parsed.arguments.has("yes"), by);
  return print(verb.run(context, parsed.arguments), json);
}

}  // namespace

int run_flashctl(int argc, const char* const* argv) {
  std::vector<std::string> words = reordered(argc, argv);
  if (words.empty()) {
    say(stderr, help());
    return static_cast<int>(Exit::kUsage);
  }
  if (words[0] == "--help" || words[0] == "help") {
    if (words.size() == 1) return show_help(help());
    if (is_noun(words[1])) return show_help(help(words[1]));
    return print(usage("there is no '" + words[1] + "'; flashctl help lists what there is"), false);
  }
  const std::string noun = words[0];
  const bool json = std::find(words.begin(), words.end(), "json") != words.end();
  if (!is_noun(noun)) return print(usage("there is no '" + noun + "'; flashctl help lists what there is"), json);
  const Verb* verb = find_verb(noun, words.size() > 1 ? words[1] : "");
  if (verb == nullptr) {
    if (words.size() > 1 && words[1] == "--help") return show_help(help(noun));
    const std::string what =
        words.size() > 1 ? "'" + noun + " " + words[1] + "' is nothing I know" : noun + " needs a verb";
    return print(usage(what + "; flashctl help " + noun + " lists its verbs"), json);
  }
  words.erase(words.begin(), words.begin() + (verb->verb.empty() ? 1 : 2));
  return run_verb(*verb, words);
}

}  // namespace flashclaim::cli
