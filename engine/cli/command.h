// The frame of flashctl: verbs, their arguments and their results.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"
#include "engine/cli/output.h"
#include "engine/operations/reconcile.h"

namespace flashclaim::redis {
class Client;
}
namespace flashclaim::postgres {
class Session;
}
namespace flashclaim::amqp {
class Connection;
}

namespace flashclaim::cli {

/// The exit codes, as `flashctl help` and the README list them.
enum class Exit {
  kOk = 0,
  kFailure = 1,
  kUsage = 2,
  kNotFound = 3,
  kRefused = 4,      ///< the state does not allow it
  kUnreachable = 5,  ///< a service cannot be reached, or its answer was lost: run the same command again
  kViolated = 6,     ///< an invariant does not hold, or a difference was found
};

/// The result of a verb. `message` is one sentence: on stderr unless kOk.
struct CommandResult {
  Exit exit = Exit::kOk;
  std::string message;
  Document document;
};
CommandResult done(std::string message, Document document = {});
CommandResult usage(std::string message);
CommandResult refused(std::string message, Document document = {});
CommandResult not_found(std::string message);

struct Option {
  std::string_view name;
  std::string_view value;  ///< what stands for the value in the help; empty: a switch
  std::string_view help;
  std::string_view choices = "";  ///< for completion: words parted by a space
};

/// The parsed command line: options that the verb declares, each at most once, and the other words.
struct Arguments {
  std::vector<std::string> words;
  std::map<std::string, std::string, std::less<>> options;

  [[nodiscard]] bool has(std::string_view name) const { return options.contains(name); }
  [[nodiscard]] std::optional<std::string> text(std::string_view name) const;
};

class Context;

struct Verb {
  std::string_view noun;
  std::string_view verb;       ///< empty: the noun is all (`status`)
  std::string_view arguments;  ///< `<id>`: needed, `[id]`: may be left out
  std::string_view summary;
  bool changes = false;  ///< takes --dry-run, --yes and --by
  std::vector<Option> options;
  CommandResult (*run)(Context&, const Arguments&) = nullptr;

  [[nodiscard]] std::string name() const;
};

/// All verbs in the order of the help. One function a noun, each in its own file.
const std::vector<Verb>& verbs();
std::vector<Verb> lua_verbs();
std::vector<Verb> db_verbs();
std::vector<Verb> mq_verbs();
std::vector<Verb> coupon_verbs();
std::vector<Verb> repair_verbs();
std::vector<Verb> mirror_verbs();
std::vector<Verb> dlq_verbs();
std::vector<Verb> claim_verbs();
std::vector<Verb> status_verbs();
std::vector<Verb> check_verbs();
std::vector<Verb> events_verbs();
std::vector<Verb> access_verbs();
std::vector<Verb> completion_verbs();

/// The connections of one command, opened at first use, from REDIS_URL, AMQP_URL and PG_URL; and its question and
/// progress on the terminal. One thread.
class Context {
 public:
  /// `by`: who gives the command, for the log of operations in the database; empty: a verb that changes nothing.
  Context(bool dry_run, bool yes, std::string by);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  Result<redis::Client*> redis();
  Result<postgres::Session*> pg();
  Result<amqp::Connection*> amqp();

  [[nodiscard]] bool dry_run() const { return dry_run_; }

  /// Asks on the terminal. Nullopt: go on (also with --yes or --dry-run). Otherwise the result to return: the person
  /// said no, or there is no terminal.
  [[nodiscard]] std::optional<CommandResult> confirm(const std::string& question) const;

  /// Turns a failure into a result: kUnreachable when the error is unknown or a connection is gone, else kFailure.
  [[nodiscard]] CommandResult failed(const Error& error) const;

  /// A progress line for long work, on stderr, only on a terminal.
  [[nodiscard]] static operations::Progress progress(std::string label);

 private:
  bool dry_run_;
  bool yes_;
  std::string by_;
  bool unreachable_ = false;
  std::unique_ptr<redis::Client> redis_;
  std::unique_ptr<postgres::Session> pg_;
  std::unique_ptr<amqp::Connection> amqp_;
};

/// The id in word `at` of the command line: the id, or the usage result that says what is wrong with it.
struct IdArgument {
  std::int64_t id = 0;
  std::optional<CommandResult> wrong;
};
IdArgument id_argument(const Arguments& arguments, std::size_t at = 0);

/// Who gives the command: FLASHCLAIM_BY, else the person behind sudo, else the user of this process.
std::string who_it_is();

/// Parses, runs, prints; returns the exit code. Never throws.
int run_flashctl(int argc, const char* const* argv);

/// The help of everything, of a noun, or of one verb.
std::string help();
std::string help(std::string_view noun);
std::string help(const Verb& verb);

}  // namespace flashclaim::cli
