// The list of verbs, their help, and the small parts that verbs share.
#include "engine/cli/command.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "engine/base/ids.h"

namespace flashclaim::cli {

CommandResult done(std::string message, Document document) {
  return {Exit::kOk, std::move(message), std::move(document)};
}
CommandResult usage(std::string message) { return {Exit::kUsage, std::move(message), {}}; }
CommandResult refused(std::string message, Document document) {
  return {Exit::kRefused, std::move(message), std::move(document)};
}
CommandResult not_found(std::string message) { return {Exit::kNotFound, std::move(message), {}}; }

std::optional<std::string> Arguments::text(std::string_view name) const {
  const auto found = options.find(name);
  if (found == options.end()) return std::nullopt;
  return found->second;
}

std::string Verb::name() const { return verb.empty() ? std::string(noun) : fmt::format("{} {}", noun, verb); }

IdArgument id_argument(const Arguments& arguments, std::size_t at) {
  IdArgument argument;
  if (const auto id = parse_id(arguments.words.at(at))) {
    argument.id = *id;
  } else {
    argument.wrong =
        usage("'" + arguments.words.at(at) + "' is no coupon id: a whole number from 1, without leading zeros");
  }
  return argument;
}

const std::vector<Verb>& verbs() {
  static const std::vector<Verb> kAll = [] {
    std::vector<Verb> list;
    for (auto part : {coupon_verbs, repair_verbs, check_verbs, status_verbs, claim_verbs, dlq_verbs, mirror_verbs,
                      lua_verbs, db_verbs, mq_verbs, events_verbs, access_verbs, completion_verbs}) {
      const std::vector<Verb> some = part();
      list.insert(list.end(), some.begin(), some.end());
    }
    return list;
  }();
  return kAll;
}

namespace {

std::string verb_lines(std::string_view noun) {
  std::string text;
  for (const Verb& verb : verbs()) {
    if (!noun.empty() && verb.noun != noun) continue;
    const std::string left = verb.name() + (verb.arguments.empty() ? "" : " ") + std::string(verb.arguments);
    text += fmt::format("  {:<26} {}\n", left, verb.summary);
  }
  return text;
}

constexpr std::string_view kExitCodes =
    "Exit codes:\n"
    "  0 ok   1 failure   2 usage (also: nobody to ask and no --yes)   3 not found\n"
    "  4 refused by the state of things   5 a service is unreachable   6 an invariant is broken or a drift was found\n";

}  // namespace

std::string help() {
  return fmt::format(
      "flashctl <noun> <verb> [options]: everything an operator does to Flashclaim.\n\n{}\n"
      "Everywhere: --output text|json, --help. Where something changes: --dry-run, --yes, --by.\n"
      "The services are REDIS_URL, AMQP_URL and PG_URL of the environment (source .run/env).\n"
      "Every command may be repeated after a crash or a lost answer.\n\n{}",
      verb_lines(""), kExitCodes);
}

std::string help(std::string_view noun) {
  return fmt::format("{}\nflashctl <noun> <verb> --help says more.\n\n{}", verb_lines(noun), kExitCodes);
}

std::string help(const Verb& verb) {
  std::string text = fmt::format("flashctl {}{}{} [options]\n{}\n\n", verb.name(), verb.arguments.empty() ? "" : " ",
                                 verb.arguments, verb.summary);
  std::vector<Option> options = verb.options;
  if (verb.changes) {
    options.push_back({"dry-run", "", "say what would be done, change nothing"});
    options.push_back({"yes", "", "do not ask"});
    options.push_back({"by", "NAME", "who does it, for the log of operations (default: FLASHCLAIM_BY, or you)"});
  }
  options.push_back({"output", "FORMAT", "text (a table) or json (one object)"});
  for (const Option& option : options) {
    const std::string left = fmt::format("--{}{}{}", option.name, option.value.empty() ? "" : " ", option.value);
    text += fmt::format("  {:<24} {}\n", left, option.help);
  }
  return text + "\n" + std::string(kExitCodes);
}

}  // namespace flashclaim::cli
