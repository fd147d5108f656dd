// What an operator does in a sale, badly served.
#include "tests/chaos/storm_operator.h"

#include <spdlog/fmt/fmt.h>

#include <stdexcept>
#include <utility>

namespace flashclaim::chaos {
namespace {

constexpr int kDone = 0;
constexpr int kRefused = 4;
constexpr int kUnreachable = 5;
constexpr std::int64_t kSmallTotal = 300;
constexpr std::size_t kOpenMax = 9;

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += word + " ";
  return text;
}

}  // namespace

Operator::Operator(harness::Environment environment, std::uint64_t seed, Sale& sale, StormLog& log)
    : environment_(std::move(environment)), dice_(seed), sale_(sale), log_(log) {}

Operator::~Operator() {
  finishing_ = true;
  if (sale_thread_.joinable()) sale_thread_.join();
  if (looks_thread_.joinable()) looks_thread_.join();
}

void Operator::open_first_coupons(std::int64_t claims) {
  const bool opened = open_coupon(claims, 1, 40) && open_coupon(claims, 3, 30) &&
                      open_coupon(claims / 4 + 1000, 3, 10) && open_coupon(kSmallTotal, 1, 10) &&
                      open_coupon(kSmallTotal, 3, 10);
  if (!opened) throw std::runtime_error("the first coupons could not be opened");
}

void Operator::begin() {
  looks_thread_ = std::thread([this, seed = dice_() + 1] { run_looks(seed); });
  sale_thread_ = std::thread([this] { run_sale(); });
}

void Operator::finish() {
  finishing_ = true;
  sale_thread_.join();
  looks_thread_.join();
  for (const std::int64_t id : sale_.ids()) {
    if (sale_.undecided(id)) set_total(id, sale_.highest_total(id));
  }
}

void Operator::rest(std::int64_t most_ms) {
  std::this_thread::sleep_for(std::chrono::milliseconds(dice_() % static_cast<std::uint64_t>(most_ms)));
}

int Operator::flashctl(const std::vector<std::string>& words) {
  const auto ended = harness::run_program("flashctl", words, environment_);
  log_.command(words[0] + (words.size() > 1 && words[1][0] > '9' && words[1][0] != '-' ? " " + words[1] : ""),
               ended.exit_code);
  log_.note(fmt::format("flashctl {}-> {} {}{}", joined(words), ended.exit_code, ended.out, ended.err));
  if (ended.exit_code != kDone && ended.exit_code != kRefused && ended.exit_code != kUnreachable) {
    log_.wrong(fmt::format("flashctl {}ended with {}: {}{}", joined(words), ended.exit_code, ended.out, ended.err));
  }
  return ended.exit_code;
}

int Operator::insist(const std::vector<std::string>& words) {
  for (int tries = 0;; ++tries) {
    const int exit = flashctl(words);
    if (exit != kUnreachable) return exit;
    if (finishing_ && tries > 200) {
      log_.wrong(fmt::format("flashctl {}never reached the services", joined(words)));
      return exit;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
  }
}

bool Operator::open_coupon(std::int64_t total, std::int64_t limit, int weight) {
  const std::string id = std::to_string(++last_id_);
  const bool open = insist({"coupon", "create", "--id", id, "--name", "storm " + id, "--total", std::to_string(total),
                            "--user-limit", std::to_string(limit), "--end", "+5h"}) == kDone &&
                    insist({"coupon", "publish", id}) == kDone;
  if (open) sale_.open({last_id_, limit, weight}, total);
  return open;
}

void Operator::run_sale() {
  while (!finishing_) {
    one_step();
    rest(1200);
  }
}

void Operator::one_step() {
  const std::vector<Sale::Coupon> open = sale_.coupons();
  const Sale::Coupon& coupon = open[dice_() % open.size()];
  switch (dice_() % 10) {
    case 0:
    case 1:
      return pause(coupon.id);
    case 2:
    case 3:
      return restock(coupon.id, 1 + static_cast<std::int64_t>(dice_() % kSmallTotal));
    case 4:
    case 5:
      return restock(coupon.id, -1 - static_cast<std::int64_t>(dice_() % kSmallTotal));
    case 6:
      insist({"coupon", "update", std::to_string(coupon.id), "--end", fmt::format("+{}m", 301 + dice_() % 1000)});
      return;
    case 7:
      return raise_limit(coupon);
    default:
      break;
  }
  if (open.size() < kOpenMax) {
    if (!open_coupon(20 + static_cast<std::int64_t>(dice_() % kSmallTotal), dice_() % 2 == 0 ? 1 : 3, 12)) {
      log_.wrong("a new coupon could not be opened");
    }
  } else if (coupon.id > 3) {  // the large ones stay
    insist({"coupon", "end", std::to_string(coupon.id), "--yes"});
    if (dice_() % 2 == 0) sale_.forget(coupon.id);
  }
}

void Operator::pause(std::int64_t id) {
  insist({"coupon", "pause", std::to_string(id)});
  rest(600);
  insist({"coupon", "resume", std::to_string(id)});
}

/// A cut that Redis finds too deep is refused and leaves the total as it was.
void Operator::restock(std::int64_t id, std::int64_t by) {
  const std::int64_t total = sale_.highest_total(id) + by;
  if (total < 1) return;
  sale_.total_asked(id, total);
  const std::vector<std::string> words = {
      "coupon", "update", std::to_string(id), "--total", std::to_string(total), "--drain", "20", "--yes"};
  if (insist(words) == kDone) sale_.total_set(id, total);
}

/// Whatever Redis and the database were left with, this becomes the total of both.
void Operator::set_total(std::int64_t id, std::int64_t total) {
  const std::vector<std::string> words = {"coupon", "update", std::to_string(id), "--total", std::to_string(total),
                                          "--yes"};
  if (insist(words) == kDone) sale_.total_set(id, total);
}

void Operator::raise_limit(const Sale::Coupon& coupon) {
  if (coupon.limit >= 5) return;
  sale_.limit_asked(coupon.id, coupon.limit + 1);
  const std::vector<std::string> words = {"coupon", "update", std::to_string(coupon.id), "--user-limit",
                                          std::to_string(coupon.limit + 1)};
  if (insist(words) == kDone) sale_.limit_set(coupon.id, coupon.limit + 1);
}

/// Nothing that looks may find anything: no data is lost in a storm.
void Operator::run_looks(std::uint64_t seed) {
  std::mt19937_64 dice(seed);  // the other belongs to the thread of the sale
  while (!finishing_) {
    const std::vector<std::int64_t> ids = sale_.ids();
    const std::string id = std::to_string(ids[dice() % ids.size()]);
    switch (dice() % 3) {
      case 0:
        flashctl({"reconcile", id});
        break;
      case 1:
        flashctl({"check", id, "--selling"});
        break;
      default:
        flashctl({"status"});
        break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1000 + dice() % 3000));
  }
}

}  // namespace flashclaim::chaos
