// Hurting and healing.
#include "tests/chaos/storm_victims.h"

#include <signal.h>
#include <spdlog/fmt/fmt.h>

#include <fstream>
#include <sstream>
#include <utility>

#include "tests/harness/wait.h"

namespace flashclaim::chaos {

using namespace std::chrono_literals;

Victim::Victim(std::string name, int weight, StormLog& log) : log_(log), name_(std::move(name)), weight_(weight) {}

void Victim::begin() {
  thread_ = std::thread([this] { run(); });
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return started_; });
}

bool Victim::strike(std::uint64_t dice, std::int64_t ms) {
  const std::lock_guard lock(mutex_);
  if (busy_ || ending_) return false;
  busy_ = true;
  order_ = Order{dice, ms};
  changed_.notify_all();
  return true;
}

void Victim::end() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void Victim::run() {
  start();
  std::unique_lock lock(mutex_);
  started_ = true;
  changed_.notify_all();
  while (!ending_) {
    changed_.wait_for(lock, 100ms);
    if (!order_ && ending_) return;
    const auto order = std::exchange(order_, std::nullopt);
    lock.unlock();
    if (order) {
      carry_out(*order);
      busy_ = false;
    } else {
      watch();
    }
    lock.lock();
  }
}

void Victim::carry_out(const Order& order) {
  std::vector<Fault> all = faults();
  std::uint64_t weights = 0;
  for (const Fault& fault : all) weights += static_cast<std::uint64_t>(fault.weight);
  std::uint64_t at = order.dice % weights;
  std::size_t chosen = 0;
  while (at >= static_cast<std::uint64_t>(all[chosen].weight)) at -= static_cast<std::uint64_t>(all[chosen++].weight);
  const Fault& fault = all[chosen];
  log_.note(fmt::format("{} {} for {} ms", name_, fault.kind, order.ms));
  log_.fault(fmt::format("{} {}", name_, fault.kind));
  try {
    fault.hurt();
    std::this_thread::sleep_for(std::chrono::milliseconds(order.ms));
    fault.heal();
    log_.note(fmt::format("{} healed", name_));
  } catch (const std::exception& error) {
    log_.wrong(fmt::format("{} {}: {}", name_, fault.kind, error.what()));
  }
}

ProgramVictim::ProgramVictim(std::string name, int weight, StormLog& log, std::string program,
                             std::vector<std::string> flags, harness::Environment environment)
    : Victim(std::move(name), weight, log),
      program_(std::move(program)),
      flags_(std::move(flags)),
      environment_(std::move(environment)) {}

void ProgramVictim::start() {
  process_ = std::make_unique<harness::Process>(program_, flags_, environment_);
  log_.log_file(name(), process_->log_path());
}

std::vector<Fault> ProgramVictim::faults() {
  return {{"kill -9", 4, [this] { process_->signal(SIGKILL), process_->wait(); }, [this] { start(); }},
          {"SIGSTOP", 4, [this] { process_->signal(SIGSTOP); }, [this] { process_->signal(SIGCONT); }},
          {"SIGTERM", 1, [this] { stop_in_good_order(); }, [this] { start(); }}};
}

/// Whatever else is broken meanwhile, it has to end by itself.
void ProgramVictim::stop_in_good_order() {
  // Before its first line a program has no handler yet, and nothing to lose.
  (void)harness::wait_until([this] { return !process_->output().empty(); });
  if (const int code = process_->stop(120s); code != 0) {
    log_.wrong(fmt::format("{} ended its graceful shutdown with {} (-1: never)", name(), code));
  }
}

void ProgramVictim::watch() {
  if (process_->running()) return;
  log_.wrong(fmt::format("{} ended by itself with {}: {}", name(), process_->wait(), process_->log_path()));
  std::this_thread::sleep_for(300ms);
  start();
}

ServiceVictim::ServiceVictim(std::string name, int weight, StormLog& log, harness::Service& service)
    : Victim(std::move(name), weight, log), service_(service) {}

std::vector<Fault> ServiceVictim::faults() {
  return {{"kill -9", 1, [this] { service_.kill(); }, [this] { service_.start(); }},
          {"SIGSTOP", 1, [this] { service_.pause(); }, [this] { service_.resume(); }}};
}

std::vector<Fault> PostgresVictim::faults() {
  std::vector<Fault> all = ServiceVictim::faults();
  const auto signal = [this](int number) {
    if (backend_ > 0) ::kill(backend_, number);
  };
  all.push_back({"backend kill -9", 1, [=, this] { backend_ = some_backend(), signal(SIGKILL); }, [] {}});
  all.push_back(
      {"backend SIGSTOP", 1, [=, this] { backend_ = some_backend(), signal(SIGSTOP); }, [=] { signal(SIGCONT); }});
  return all;
}

int PostgresVictim::some_backend() const {
  std::vector<int> found;
  const auto main = std::to_string(service_.pid());
  std::ifstream children("/proc/" + main + "/task/" + main + "/children");
  for (int child = 0; children >> child;) {
    std::ifstream file("/proc/" + std::to_string(child) + "/cmdline");
    std::string title;
    std::getline(file, title, '\0');
    if (title.find("127.0.0.1") != std::string::npos) found.push_back(child);
  }
  if (found.empty()) return -1;
  return found[static_cast<std::size_t>(wall_ms()) % found.size()];
}

}  // namespace flashclaim::chaos
