// What a storm breaks: programs and services, each with a thread that hurts and heals it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/chaos/storm_log.h"
#include "tests/harness/process.h"
#include "tests/harness/services.h"

namespace flashclaim::chaos {

/// One thing that can be done to a victim. `hurt` breaks it and `heal` makes it whole; the thread sleeps in between.
struct Fault {
  const char* kind = "";
  int weight = 1;
  std::function<void()> hurt;
  std::function<void()> heal;
};

/// Invariant: only the victim's own thread touches the thing itself (a program dies with the thread that started it).
class Victim {
 public:
  Victim(std::string name, int weight, StormLog& log);
  virtual ~Victim() = default;
  Victim(const Victim&) = delete;
  Victim& operator=(const Victim&) = delete;

  /// Starts the thread and, in it, the thing. Returns when that runs.
  void begin();
  /// A random fault for `ms`; false when one is under way. Any thread.
  bool strike(std::uint64_t dice, std::int64_t ms);
  [[nodiscard]] bool idle() const { return !busy_.load(); }
  /// Ends the thread, and a program with it. The derived destructor calls it.
  void end();
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] int weight() const { return weight_; }

 protected:
  virtual void start() = 0;
  virtual std::vector<Fault> faults() = 0;
  /// Called while nothing happens.
  virtual void watch() {}

  StormLog& log_;

 private:
  struct Order {
    std::uint64_t dice;
    std::int64_t ms;
  };
  void run();
  void carry_out(const Order& order);

  std::string name_;
  int weight_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Order> order_;
  bool started_ = false;
  bool ending_ = false;
  std::atomic<bool> busy_{false};
  std::thread thread_;
};

/// kill -9, SIGSTOP, and a restart in good order.
class ProgramVictim : public Victim {
 public:
  ProgramVictim(std::string name, int weight, StormLog& log, std::string program, std::vector<std::string> flags,
                harness::Environment environment);
  ~ProgramVictim() override { end(); }

 protected:
  void start() override;
  std::vector<Fault> faults() override;
  void watch() override;

 private:
  void stop_in_good_order();

  std::string program_;
  std::vector<std::string> flags_;
  harness::Environment environment_;
  std::unique_ptr<harness::Process> process_;
};

/// A whole server: kill -9 and SIGSTOP.
class ServiceVictim : public Victim {
 public:
  ServiceVictim(std::string name, int weight, StormLog& log, harness::Service& service);
  ~ServiceVictim() override { end(); }

 protected:
  void start() override {}
  std::vector<Fault> faults() override;
  harness::Service& service_;
};

/// Also one backend.
class PostgresVictim : public ServiceVictim {
 public:
  using ServiceVictim::ServiceVictim;
  ~PostgresVictim() override { end(); }

 protected:
  std::vector<Fault> faults() override;

 private:
  [[nodiscard]] int some_backend() const;
  int backend_ = -1;
};

}  // namespace flashclaim::chaos
