// flashctl completion: the words of the command line for the shell.
#include <spdlog/fmt/fmt.h>

#include <iterator>
#include <map>

#include "engine/cli/command.h"

namespace flashclaim::cli {
namespace {

std::string option_words(const Verb& verb) {
  std::string words;
  for (const Option& option : verb.options) words += fmt::format("--{} ", option.name);
  if (verb.changes) words += "--dry-run --yes ";
  return words + "--output --help";
}

std::string bash_completion() {
  std::map<std::string, std::string> verbs_of;
  std::string nouns;
  std::string cases;
  for (const Verb& verb : verbs()) {
    const auto [noun, fresh] = verbs_of.try_emplace(std::string(verb.noun));
    if (fresh) nouns += (nouns.empty() ? "" : " ") + noun->first;
    if (!verb.verb.empty()) noun->second += (noun->second.empty() ? "" : " ") + std::string(verb.verb);
    cases += fmt::format("    '{}') options='{}' ;;\n", verb.name(), option_words(verb));
  }
  std::string verb_cases;
  for (const auto& [noun, words] : verbs_of) {
    if (!words.empty()) verb_cases += fmt::format("    {}) verbs='{}' ;;\n", noun, words);
  }
  return fmt::format(R"bash(# flashctl: eval "$(flashctl completion bash)"
_flashctl() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" previous="${{COMP_WORDS[COMP_CWORD - 1]}}" noun="${{COMP_WORDS[1]}}" verbs='' options=''
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W '{nouns} help' -- "$current")
    return
  fi
  case "$previous" in
    --output) mapfile -t COMPREPLY < <(compgen -W 'text json' -- "$current"); return ;;
    --status) mapfile -t COMPREPLY < <(compgen -W 'draft issuing paused ended' -- "$current"); return ;;
  esac
  case "$noun" in
{verb_cases}  esac
  if [ "$COMP_CWORD" -eq 2 ] && [ -n "$verbs" ]; then
    mapfile -t COMPREPLY < <(compgen -W "$verbs" -- "$current")
    return
  fi
  local name="$noun${{verbs:+ ${{COMP_WORDS[2]}}}}"
  case "$name" in
{cases}  esac
  mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
}}
complete -F _flashctl flashctl
)bash",
                     fmt::arg("nouns", nouns), fmt::arg("verb_cases", verb_cases), fmt::arg("cases", cases));
}

CommandResult completion(Context&, const Arguments& arguments) {
  if (arguments.words[0] != "bash") return usage("only bash is known: eval \"$(flashctl completion bash)\"");
  return done(bash_completion());
}

}  // namespace

std::vector<Verb> completion_verbs() {
  return {{"completion",
           "",
           "<shell>",
           "completion for bash: eval \"$(flashctl completion bash)\"",
           false,
           {},
           completion}};
}

}  // namespace flashclaim::cli
