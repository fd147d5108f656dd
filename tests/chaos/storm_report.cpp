// The report of a storm, like Jepsen's: what was tried, what was promised, what became of it.
#include <spdlog/fmt/fmt.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>

#include "tests/chaos/storm.h"

namespace flashclaim::chaos {
namespace {

constexpr std::size_t kTailBytes = 3000;

using Counts = std::map<std::string, std::int64_t>;

std::string lines(const Counts& counts) {
  std::string text;
  for (const auto& [what, count] : counts) text += fmt::format("    {:<34} {:>12}\n", what, count);
  return text;
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<int>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string object(const Counts& counts) {
  std::string text;
  for (const auto& [what, count] : counts) text += fmt::format("{}{}:{}", text.empty() ? "" : ",", quoted(what), count);
  return "{" + text + "}";
}

Counts totals(const StormReport& report) {
  return {{"attempted", report.crowd.attempted},
          {"requests", report.crowd.requests},
          {"acknowledged", report.acknowledged},
          {"settled", report.check.settled},
          {"lost", report.lost},
          {"duplicated", report.duplicated},
          {"recovered", report.crowd.recovered},
          {"unlearnt", report.crowd.unlearnt},
          {"unresolved", report.crowd.unresolved},
          {"refused", report.refused},
          {"dead", report.dead},
          {"denied", report.denied},
          {"told_sold_out", report.sold_out},
          {"told_limit_reached", report.limit_reached},
          {"wrong_refusals", report.wrong_refusals},
          {"replayed_keys", report.crowd.replays},
          {"polls", report.crowd.polls},
          {"coupons", report.check.coupons}};
}

std::vector<std::string> failures(const StormReport& report) {
  std::vector<std::string> all = report.wrongs;
  for (const operations::Violation& violation : report.check.violations) {
    all.push_back(fmt::format("INV-{} coupon {} x{}: {}", violation.invariant, violation.coupon_id, violation.count,
                              violation.text));
  }
  return all;
}

}  // namespace

std::int64_t StormReport::fault_count() const {
  return std::accumulate(faults.begin(), faults.end(), std::int64_t{0},
                         [](std::int64_t sum, const auto& fault) { return sum + fault.second; });
}

std::string text_of(const StormReport& report) {
  const Counts all = totals(report);
  const auto line = [&](const char* name, const char* meaning) {
    return fmt::format("  {:<20} {:>12}  {}\n", name, all.at(name), meaning);
  };
  std::string text = fmt::format("chaos of {}: seed {}, {} s of faults, at rest {} s after the last one\n",
                                 report.commit, report.seed, report.seconds, report.rest_seconds) +
                     line("attempted", "claims that somebody wanted") + line("requests", "attempts to make them") +
                     line("acknowledged", "202 read by the client") + line("settled", "rows in the database") +
                     line("lost", "acknowledged and nowhere") + line("duplicated", "claims beyond what was asked for") +
                     line("recovered", "answer lost; the same key told later that it was accepted") +
                     line("unlearnt", "answer lost, and sent without a key") +
                     line("unresolved", "with a key, and no final answer after all was healed") +
                     line("refused", "accepted, then refused by the database") +
                     line("dead", "claims in dead letters") + line("denied", "rights that a service denied somebody") +
                     line("told_sold_out", "") + line("told_limit_reached", "") +
                     line("wrong_refusals", "of those two, when it was not true") +
                     line("replayed_keys", "accepted keys sent once more") +
                     line("polls", "GET /claims/{id} of accepted claims") + line("coupons", "opened");
  text += "  answers\n" + lines(report.crowd.answers);
  text += "  unexpected answers\n" + (report.crowd.unexpected.empty() ? "    none\n" : lines(report.crowd.unexpected));
  text += fmt::format("  faults {}\n", report.fault_count()) + lines(report.faults);
  text += "  flashctl (exit 4: refused by the state, 5: a service was away)\n" + lines(report.commands);
  for (const std::string& failure : failures(report)) text += "  WRONG: " + failure + "\n";
  text += fmt::format("  verdict: {}\n", report.holds() ? "every promise held" : "BROKEN");
  return text;
}

std::string json_of(const StormReport& report) {
  std::string wrongs;
  for (const std::string& failure : failures(report)) wrongs += (wrongs.empty() ? "" : ",") + quoted(failure);
  std::string text = object(totals(report));
  text.pop_back();
  return text + fmt::format(
                    ",\"commit\":{},\"seed\":{},\"seconds\":{},\"rest_seconds\":{},\"answers\":{},\"unexpected\":{},"
                    "\"faults\":{},\"fault_count\":{},\"commands\":{},\"wrong\":[{}],\"holds\":{}}}",
                    quoted(report.commit), report.seed, report.seconds, report.rest_seconds,
                    object(report.crowd.answers), object(report.crowd.unexpected), object(report.faults),
                    report.fault_count(), object(report.commands), wrongs, report.holds());
}

std::string study_of(const StormReport& report) {
  std::string text =
      fmt::format("seed {}; everything is kept in {} (storm.log tells the course)\n", report.seed, report.folder);
  for (const auto& [program, path] : report.log_files) {
    std::ifstream file(path, std::ios::binary);
    const auto size = std::filesystem::exists(path) ? std::filesystem::file_size(path) : 0;
    file.seekg(static_cast<std::streamoff>(size > kTailBytes ? size - kTailBytes : 0));
    text += fmt::format("--- {}: the end of {}\n{}\n", program, path,
                        std::string(std::istreambuf_iterator<char>(file), {}));
  }
  return text;
}

}  // namespace flashclaim::chaos
