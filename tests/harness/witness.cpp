// Reads server logs and program output after each test, and fails it for what was not announced.
#include "tests/harness/witness.h"

#include <gtest/gtest.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>
#include <thread>
#include <vector>

#include "engine/base/log_repeated.h"
#include "engine/redis/client.h"

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

/// A server that denies rights; without a URL it has no ACL LOG.
struct Server {
  Log log;
  std::string redis_url;
};

/// Erlang's logger holds lines back for two seconds.
constexpr auto kRabbitWritesWithin = std::chrono::milliseconds(2500);

bool holds(const std::string& line, std::initializer_list<const char*> texts) {
  return std::any_of(texts.begin(), texts.end(),
                     [&](const char* text) { return line.find(text) != std::string::npos; });
}
bool is_error(const std::string& line) { return holds(line, {" level=error ", R"("level":"error")"}); }
/// Of PostgreSQL and RabbitMQ, and what a program of ours writes of one of theirs or of Redis'.
bool is_denial(const std::string& line) {
  return holds(line, {"permission denied", "access_refused", "ACCESS_REFUSED", "NOPERM"});
}

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

class Witness {
 public:
  static Witness& get() {
    static auto* witness = new Witness;  // the shared services outlive everything else
    return *witness;
  }

  void announce_error(const std::string& text) {
    const std::lock_guard lock(mutex_);
    errors_.push_back(text);
  }
  void announce_denial(const std::string& text) {
    const std::lock_guard lock(mutex_);
    denials_.push_back(text);
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
  void judge(const std::string& program, const std::string& text) {
    const std::lock_guard lock(mutex_);
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) judge_program(program, line);
  }
  void watch_server(const std::string& log, const std::string& redis_url) {
    const std::lock_guard lock(mutex_);
    servers_.try_emplace(log, Server{{log}, redis_url});  // it may have been started again
  }
  void look_at_server(const std::string& log) {
    const std::lock_guard lock(mutex_);
    if (const auto server = servers_.find(log); server != servers_.end()) read_server(server->second);
  }
  void forget_server(const std::string& log) {
    const std::lock_guard lock(mutex_);
    servers_.erase(log);
  }
  void tell(Finding finding) {
    const std::lock_guard lock(mutex_);
    finding_ = std::move(finding);
  }
  /// From a room that runs in this process, on any thread of it.
  void heard(std::string line) {
    const std::lock_guard lock(heard_mutex_);
    heard_.push_back(std::move(line));
  }

  void look() {
    const std::lock_guard lock(mutex_);
    for (Log& log : logs_) read_program(log);
    for (auto& [log, server] : servers_) read_server(server);
    flush_repeated(true);  // what it held back is of this test, not of the next
    Texts heard;
    {
      const std::lock_guard heard_lock(heard_mutex_);
      heard.swap(heard_);
    }
    for (const std::string& line : heard) judge_error("this process", line);
  }
  void test_ended() {
    look();
    const std::lock_guard lock(mutex_);
    errors_before_.swap(errors_);
    errors_.clear();
    denials_before_.insert(denials_before_.end(), denials_.begin(), denials_.end());
    denials_.clear();
  }
  void suite_ended() {
    if (watches_rabbit()) std::this_thread::sleep_for(kRabbitWritesWithin);
    look();
    suite_ended_ = true;
  }

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
  /// After the last test, where a failure still fails the suite.
  class TheEnd final : public ::testing::Environment {
    void TearDown() override { get().suite_ended(); }
  };

  Witness() {
    ::testing::UnitTest::GetInstance()->listeners().Append(new Listener);  // gtest's to delete
    ::testing::AddGlobalTestEnvironment(new TheEnd);
    spdlog::default_logger()->sinks().push_back(std::make_shared<Sink>());
    std::atexit([] {  // the first that is told, so the last that runs: a suite's own stack and programs end before it
      if (!get().found_too_late_) return;
      std::fflush(nullptr);
      _exit(1);
    });
  }

  void read_program(Log& log) {
    for (const std::string& line : log.next_lines()) judge_program(log.path, line);
  }
  void judge_program(const std::string& where, const std::string& line) {
    if (is_error(line)) judge_error(where, line);
    if (is_denial(line)) judge_denial(where, line);
  }
  void read_server(Server& server) {
    for (const std::string& line : server.log.next_lines())
      if (is_denial(line) && !(line.find("access_refused") != std::string::npos && announced(line, denials_before_)))
        judge_denial(server.log.path, line);
    if (!server.redis_url.empty())
      for (const std::string& denied : acl_log(server.redis_url)) judge_denial("ACL LOG", denied);
  }
  bool watches_rabbit() {
    const std::lock_guard lock(mutex_);
    return std::any_of(servers_.begin(), servers_.end(),
                       [](const auto& server) { return server.first.find("rabbitmq") != std::string::npos; });
  }
  void judge_error(const std::string& where, const std::string& line) {
    if (!announced(line, errors_) && !announced(line, errors_before_)) say(where, line);
  }
  void judge_denial(const std::string& where, const std::string& line) {
    if (!announced(line, denials_)) say(where, line);
  }
  static bool announced(const std::string& line, const Texts& texts) {
    return std::any_of(texts.begin(), texts.end(),
                       [&](const std::string& text) { return line.find(text) != std::string::npos; });
  }
  void say(const std::string& where, const std::string& line) {
    if (finding_) return finding_(where, line);
    ADD_FAILURE() << "nobody announced this, in " << where << ":\n" << line;
    if (suite_ended_) found_too_late_ = true;
  }

  std::mutex mutex_;
  Texts errors_;         ///< announced by this test
  Texts errors_before_;  ///< and by the one before it: a program may write a moment later
  Texts denials_;
  Texts denials_before_;  ///< by all before it: RabbitMQ writes its log later
  Finding finding_;
  std::vector<Log> logs_;
  std::map<std::string, Server> servers_;
  bool suite_ended_ = false;
  bool found_too_late_ = false;  ///< for a failure to count
  std::mutex heard_mutex_;
  Texts heard_;
};

[[maybe_unused]] const bool kFromTheStart = (Witness::get(), true);  // the rooms of a test need no service

}  // namespace

void announce_error(const std::string& text) { Witness::get().announce_error(text); }
void announce_denial(const std::string& text) { Witness::get().announce_denial(text); }
void watch_log(const std::string& path) { Witness::get().watch(path); }
void forget_log(const std::string& path) { Witness::get().forget(path); }
void judge_output(const std::string& program, const std::string& text) { Witness::get().judge(program, text); }
void watch_server(const std::string& log, const std::string& redis_url) { Witness::get().watch_server(log, redis_url); }
void forget_server(const std::string& log) { Witness::get().forget_server(log); }
void look_at_server(const std::string& log) { Witness::get().look_at_server(log); }
void look_at_everything() { Witness::get().look(); }
void tell_findings_to(Finding finding) { Witness::get().tell(std::move(finding)); }

}  // namespace flashclaim::harness
