// flashbench: load, replays and storms against a running stack, with every invariant checked afterwards.
#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cxxopts.hpp>
#include <string>

#include "bench/campaign.h"
#include "bench/campaigns.h"
#include "bench/load_command.h"
#include "bench/receipts.h"
#include "engine/base/environment.h"
#include "engine/base/ids.h"
#include "engine/base/log.h"
#include "engine/base/print.h"

namespace {

using namespace flashclaim;
using namespace flashclaim::bench;

constexpr int kOk = 0, kFailure = 1, kUsage = 2;

constexpr const char* kHelp = R"(flashbench: load and replays against the running stack (first: source .run/env)

  flashbench replay FILE.csv   receipts (user_id,coupon_id,date_received) as claims on fresh coupons, checked to the row
  flashbench storm             many claims of few users on one fresh coupon, checked to the row
  flashbench load              claims at a constant rate, or as fast as answers come: latencies, refusals, backlog

`flashbench <command> --help` lists its options. Exit: 0 all held, 1 something did not or could not be run, 2 usage.
Ctrl-C ends a run in good order: what was made is ended, what was claimed is still checked where it can be.
)";

/// The command line is wrong: the message says how.
struct Usage {
  std::string message;
};

std::atomic<bool> interrupted{false};
void on_interrupt(int) { interrupted = true; }

cxxopts::Options new_options(const std::string& command, const std::string& what) {
  cxxopts::Options options("flashbench " + command, what);
  auto add = options.add_options();
  add("output", "text or json", cxxopts::value<std::string>()->default_value("text"), "FORMAT");
  add("quiet", "no progress on stderr");
  add("h,help", "this help");
  return options;
}

std::int64_t integer(const cxxopts::ParseResult& parsed, const char* name, std::int64_t least, std::int64_t most) {
  auto text = parsed[name].as<std::string>();
  auto value = parse_number(text, most);
  if (!value || *value < least)
    throw Usage{fmt::format("--{} must be a whole number from {} to {}, not '{}'", name, least, most, text)};
  return *value;
}

double decimal(const cxxopts::ParseResult& parsed, const char* name, double least, double most) {
  auto text = parsed[name].as<std::string>();
  char* end = nullptr;
  double value = std::strtod(text.c_str(), &end);
  bool plain = !text.empty() && text.find_first_not_of("0123456789.") == std::string::npos && *end == '\0';
  if (!plain || value < least || value > most)
    throw Usage{fmt::format("--{} must be a number from {} to {}, not '{}'", name, least, most, text)};
  return value;
}

auto text_option(const char* value) { return cxxopts::value<std::string>()->default_value(value); }

bool as_json(const cxxopts::ParseResult& parsed) {
  auto format = parsed["output"].as<std::string>();
  if (format != "text" && format != "json") throw Usage{"--output must be text or json"};
  return format == "json";
}

Progress::Style progress_style(const cxxopts::ParseResult& parsed) {
  return parsed.count("quiet") ? Progress::Style::kQuiet : Progress::style_of_stderr();
}

bool print(const cli::Document& document, bool json) {
  std::string text = json ? "{" + document.json_members() + "}\n" : document.plain(may_colour(STDOUT_FILENO));
  return flashclaim::print(text);
}

int failed(const std::string& message) {
  std::fprintf(stderr, "flashbench: %s\n", message.c_str());
  return kFailure;
}

void add_campaign_options(cxxopts::Options& options) {
  auto add = options.add_options();
  add("user-limit", "claims that one user may hold of a coupon", text_option("1"), "N");
  add("connections", "claims in flight", text_option("64"), "N");
  add("stall-seconds", "give up after so long without any progress", text_option("60"), "S");
  add("keep-open", "do not end the coupons afterwards");
}

int run_and_print(const Campaign& campaign, const cxxopts::ParseResult& parsed) {
  bool json = as_json(parsed);
  CampaignOptions options;
  options.connections = static_cast<int>(integer(parsed, "connections", 1, 10'000));
  options.stall_ms = integer(parsed, "stall-seconds", 1, 86'400) * 1000;
  options.keep_open = parsed.count("keep-open") > 0;
  options.progress = progress_style(parsed);
  options.interrupted = &interrupted;
  auto report = run_campaign(campaign, options);
  if (!report) return failed(report.error().message);
  const bool written = print(campaign_document(campaign, *report), json);
  if (!report->problem.empty()) return failed(report->problem);
  if (!report->passed()) return failed("not everything held (see above)");
  return written ? kOk : kFailure;
}

/// Parses; prints the help and ends the program when it is asked for.
cxxopts::ParseResult parse(cxxopts::Options& options, int argc, const char* const* argv) {
  auto parsed = options.parse(argc, argv);
  if (!parsed.unmatched().empty()) throw Usage{"unexpected: " + parsed.unmatched().front()};
  if (parsed.count("help") == 0) return parsed;
  std::exit(flashclaim::print(options.help()) ? kOk : kFailure);
}

int replay(int argc, const char* const* argv) {
  auto options = new_options("replay", "Real receipts as claims on fresh coupons");
  add_campaign_options(options);
  auto add = options.add_options();
  add("stock-ratio", "total of a coupon = max(1, floor(R x its receipts))", text_option("0.8"), "R");
  add("file", "receipts, see bench/README.md", cxxopts::value<std::string>(), "FILE.csv");
  options.parse_positional({"file"});
  options.positional_help("FILE.csv");
  auto parsed = parse(options, argc, argv);
  if (parsed.count("file") != 1) throw Usage{"replay takes one FILE.csv"};
  double ratio = decimal(parsed, "stock-ratio", 1e-6, 1e6);
  std::int64_t limit = integer(parsed, "user-limit", 1, 1'000'000);
  auto receipts = read_receipts(parsed["file"].as<std::string>());
  if (!receipts) return failed(receipts.error().message);
  return run_and_print(replay_campaign(*receipts, ratio, limit), parsed);
}

int storm(int argc, const char* const* argv) {
  auto options = new_options("storm", "Many claims of few users on one fresh coupon");
  add_campaign_options(options);
  auto add = options.add_options();
  add("users", "different users", text_option("500"), "N");
  add("requests", "claims of all users together", text_option("10000"), "N");
  add("total", "units of the coupon", text_option("100"), "N");
  add("seed", "of the order", text_option("1"), "N");
  auto parsed = parse(options, argc, argv);
  Storm plan;
  plan.users = integer(parsed, "users", 1, 100'000'000);
  plan.requests = integer(parsed, "requests", 1, 100'000'000);
  plan.total = integer(parsed, "total", 1, 1'000'000'000'000);
  plan.user_limit = integer(parsed, "user-limit", 1, 1'000'000);
  plan.seed = static_cast<std::uint32_t>(integer(parsed, "seed", 0, UINT32_MAX));
  return run_and_print(storm_campaign(plan), parsed);
}

cxxopts::Options load_options() {
  auto options = new_options("load", "Claims at a constant rate, or as fast as answers come");
  auto add = options.add_options();
  add("rate", "claims per second (open loop), or max (closed loop)", text_option("1000"), "R");
  add("seconds", "measured", text_option("10"), "S");
  add("warmup", "loaded before, not measured", text_option("1"), "S");
  add("drain", "how long late claims and answers are waited for", text_option("10"), "S");
  add("connections", "of all threads together", text_option("64"), "N");
  add("pipeline", "requests in flight on one connection", text_option("1"), "N");
  add("threads", "of the generator", text_option("1"), "N");
  add("users", "unique: every claim another user; N: drawn from so many", text_option("unique"), "N");
  add("first-user", "user ids count up from here", text_option("1"), "ID");
  add("coupon", "claim this existing coupon; may be repeated. Without it, fresh ones are made",
      cxxopts::value<std::vector<std::string>>(), "ID");
  add("coupons", "how many fresh coupons, claimed in turn", text_option("1"), "N");
  add("total", "units of each fresh coupon", text_option("1000000000"), "N");
  add("user-limit", "of each fresh coupon", text_option("1"), "N");
  add("settle", "fresh coupons: wait for settlement, check every invariant");
  add("stall-seconds", "with --settle: give up after so long without progress", text_option("60"), "S");
  add("timeline", "report every second");
  return options;
}

LoadCommand load_command(const cxxopts::ParseResult& parsed) {
  LoadCommand command;
  LoadPlan& plan = command.plan;
  plan.rate = parsed["rate"].as<std::string>() == "max" ? 0 : decimal(parsed, "rate", 0.1, 1e7);
  plan.seconds = decimal(parsed, "seconds", 0.1, 86'400);
  plan.warmup_s = decimal(parsed, "warmup", 0, 3600);
  plan.drain_s = decimal(parsed, "drain", 0, 3600);
  plan.connections = static_cast<int>(integer(parsed, "connections", 1, 50'000));
  plan.pipeline = static_cast<int>(integer(parsed, "pipeline", 1, 1024));
  plan.threads = static_cast<int>(integer(parsed, "threads", 1, std::min(plan.connections, 256)));
  plan.users = parsed["users"].as<std::string>() == "unique" ? 0 : integer(parsed, "users", 1, INT64_MAX / 2);
  plan.first_user = integer(parsed, "first-user", 1, INT64_MAX / 2);
  plan.interrupted = &interrupted;
  if (parsed.count("coupon"))
    for (const auto& text : parsed["coupon"].as<std::vector<std::string>>()) {
      auto id = parse_id(text);
      if (!id) throw Usage{"--coupon must be an id (1 to 2^63-1), not '" + text + "'"};
      plan.coupon_ids.push_back(*id);
    }
  command.settle = parsed.count("settle") > 0;
  if (command.settle && !plan.coupon_ids.empty())
    throw Usage{
        "--settle is for fresh coupons: the claims that others make on --coupon cannot be told from the load's"};
  command.coupons = integer(parsed, "coupons", 1, 1'000'000);
  command.total = integer(parsed, "total", 1, 1'000'000'000'000);
  command.user_limit = integer(parsed, "user-limit", 1, 1'000'000);
  command.timeline = parsed.count("timeline") > 0;
  command.stall_ms = integer(parsed, "stall-seconds", 1, 86'400) * 1000;
  command.progress = progress_style(parsed);
  return command;
}

int load(int argc, const char* const* argv) {
  auto options = load_options();
  auto parsed = parse(options, argc, argv);
  bool json = as_json(parsed);
  LoadCommand command = load_command(parsed);
  auto report = run_load_command(command);
  if (!report) return failed(report.error().message);
  const bool written = print(load_document(command, *report), json);
  if (!report->problem.empty()) return failed(report->problem);
  if (!report->passed()) return failed("not everything held (see above)");
  return written ? kOk : kFailure;
}

int run(int argc, const char* const* argv) {
  std::string command = argc > 1 ? argv[1] : "";
  if (command == "replay") return replay(argc - 1, argv + 1);
  if (command == "storm") return storm(argc - 1, argv + 1);
  if (command == "load") return load(argc - 1, argv + 1);
  bool asked = command == "help" || command == "--help" || command == "-h";
  if (asked) return flashclaim::print(kHelp) ? kOk : kFailure;
  std::fputs(kHelp, stderr);
  return kUsage;
}

}  // namespace

int main(int argc, char** argv) {
  setenv("FLASHCLAIM_LOG", "warn", 0);  // thousands of coupons are opened and ended: nobody wants a line for each
  start_logging("flashbench");
  std::signal(SIGPIPE, SIG_IGN);
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // the second Ctrl-C ends at once
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  try {
    return run(argc, argv);
  } catch (const Usage& usage) {
    std::fprintf(stderr, "flashbench: %s\n", usage.message.c_str());
  } catch (const cxxopts::exceptions::exception& wrong) {
    std::fprintf(stderr, "flashbench: %s\n", wrong.what());
  }
  std::fputs("See flashbench help, or flashbench <command> --help.\n", stderr);
  return kUsage;
}
