// See witness.h.
#include "tests/harness/witness.h"

#include <gtest/gtest.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>
#include <vector>

#include "engine/redis/client.h"
#include "tests/harness/logins.h"
#include "tests/harness/services.h"

namespace flashclaim::harness {
namespace {

using Texts = std::vector<std::string>;

/// A log that is read piece by piece, each line once.
struct Log {
  std::string path;
  std::streamoff read = 0;

  Texts next_lines() {
    Texts lines;
    std::ifstream file(path, std::ios::binary);
    file.seekg(0, std::ios::end);
    if (file.tellg() < read) read = 0;  // it was begun anew
    file.seekg(read);
    for (std::string line; std::getline(file, line) && !file.eof();) {  // the last one may be half written
      read += static_cast<std::streamoff>(line.size()) + 1;
      lines.push_back(std::move(line));
    }
    return lines;
  }
};

bool holds(const std::string& line, std::initializer_list<const char*> texts) {
  return std::any_of(texts.begin(), texts.end(),
                     [&](const char* text) { return line.find(text) != std::string::npos; });
}
bool is_error(const std::string& line) { return holds(line, {" level=error ", R"("level":"error")"}); }
/// Of PostgreSQL and RabbitMQ.
bool is_denial(const std::string& line) { return holds(line, {"permission denied", "access_refused"}); }

/// What a Redis remembers of denials; forgotten there afterwards. Nothing when it does not answer.
Texts acl_log(const std::string& url) {
  Texts found;
  auto client = redis::Client::connect(url, redis::Milliseconds(1000));
  if (!client) return found;
  const auto entries = client->command({"ACL", "LOG"});
  if (!entries || entries->size() == 0) return found;
  for (std::size_t i = 0; i < entries->size(); ++i) {
    const auto entry = (*entries)[i];
    std::map<std::string_view, std::string_view> fields;
    for (std::size_t k = 0; k + 1 < entry.size(); k += 2) fields[entry[k].text()] = entry[k + 1].text();
    found.push_back("NOPERM " + std::string(fields["username"]) + ": " + std::string(fields["reason"]) + " " +
                    std::string(fields["object"]) + " in " + std::string(fields["context"]));
  }
  (void)client->command({"ACL", "LOG", "RESET"});
  return found;
}

std::string tester_url(const Service& redis) {
  return "redis://" + std::string(kTester) + ":" + tester_password() + "@127.0.0.1:" + std::to_string(redis.port()) +
         "/0";
}

class Witness {
 public:
  static Witness& get() {
    static auto* witness = new Witness;  // the shared services outlive everything else
    return *witness;
  }

  void announce(Texts& list, const std::string& text) {
    const std::lock_guard lock(mutex_);
    list.push_back(text);
  }
  void watch(const std::string& path) {
    const std::lock_guard lock(mutex_);
    logs_.push_back({path});
  }
  void forget(const std::string& path) {
    const std::lock_guard lock(mutex_);
    const auto log = std::find_if(logs_.begin(), logs_.end(), [&](const Log& one) { return one.path == path; });
    if (log == logs_.end()) return;
    read_program(*log);
    logs_.erase(log);
  }
  void watch(const Service& service) {
    const std::lock_guard lock(mutex_);
    services_[&service] = {service.log_path()};
  }
  void look_at(const Service& service) {
    const std::lock_guard lock(mutex_);
    read_service(service);
  }
  void forget(const Service& service) {
    const std::lock_guard lock(mutex_);
    services_.erase(&service);
  }
  /// From a room that runs in this process, on any thread of it.
  void heard(std::string line) {
    const std::lock_guard lock(heard_mutex_);
    heard_.push_back(std::move(line));
  }

  void test_ended() {
    const std::lock_guard lock(mutex_);
    for (Log& log : logs_) read_program(log);
    for (const auto& [service, log] : services_) read_service(*service);
    Texts heard;
    {
      const std::lock_guard heard_lock(heard_mutex_);
      heard.swap(heard_);
    }
    for (const std::string& line : heard) judge_error("this process", line);
    errors_before_.swap(errors_);
    errors_.clear();
    denials_before_.insert(denials_before_.end(), denials_.begin(), denials_.end());
    denials_.clear();
  }

  std::atomic<bool> demanded_ = false;
  Texts errors_;         ///< announced by this test
  Texts errors_before_;  ///< and by the one before it: a program may write a moment later
  Texts denials_;
  Texts denials_before_;  ///< by all before it: RabbitMQ writes its log seconds later

 private:
  class Sink final : public spdlog::sinks::base_sink<std::mutex> {
    void sink_it_(const spdlog::details::log_msg& message) override {
      if (message.level >= spdlog::level::err) get().heard({message.payload.data(), message.payload.size()});
    }
    void flush_() override {}
  };

  class Listener final : public ::testing::EmptyTestEventListener {
    void OnTestEnd(const ::testing::TestInfo& test) override {
      (void)test;
      get().test_ended();
    }
  };

  Witness() {
    ::testing::UnitTest::GetInstance()->listeners().Append(new Listener);  // gtest's to delete
    spdlog::default_logger()->sinks().push_back(std::make_shared<Sink>());
  }

  void read_program(Log& log) const {
    for (const std::string& line : log.next_lines())
      if (is_error(line)) judge_error(log.path, line);
  }
  void read_service(const Service& service) {
    Log& log = services_.at(&service);
    for (const std::string& line : log.next_lines())
      if (is_denial(line) && !(service.kind() == "rabbitmq" && announced(line, denials_before_)))
        judge_denial(log.path, line);
    if (service.kind() == "redis")
      for (const std::string& denied : acl_log(tester_url(service))) judge_denial("ACL LOG", denied);
  }
  void judge_error(const std::string& where, const std::string& line) const {
    if (!announced(line, errors_) && !announced(line, errors_before_)) say(where, line);
  }
  void judge_denial(const std::string& where, const std::string& line) const {
    if (!announced(line, denials_)) say(where, line);
  }
  static bool announced(const std::string& line, const Texts& texts) {
    return std::any_of(texts.begin(), texts.end(),
                       [&](const std::string& text) { return line.find(text) != std::string::npos; });
  }
  void say(const std::string& where, const std::string& line) const {
    if (demanded_)
      ADD_FAILURE() << "nobody announced this, in " << where << ":\n" << line;
    else
      std::printf("WITNESS: nobody announced this, in %s: %s\n", where.c_str(), line.c_str());
  }

  std::mutex mutex_;
  std::vector<Log> logs_;
  std::map<const Service*, Log> services_;
  std::mutex heard_mutex_;
  Texts heard_;
};

}  // namespace

void announce_error(const std::string& text) { Witness::get().announce(Witness::get().errors_, text); }
void announce_denial(const std::string& text) { Witness::get().announce(Witness::get().denials_, text); }
void demand_witness() { Witness::get().demanded_ = true; }
void watch_log(const std::string& path) { Witness::get().watch(path); }
void forget_log(const std::string& path) { Witness::get().forget(path); }
void watch_service(const Service& service) { Witness::get().watch(service); }
void forget_service(const Service& service) { Witness::get().forget(service); }
void look_at_service(const Service& service) { Witness::get().look_at(service); }

}  // namespace flashclaim::harness
