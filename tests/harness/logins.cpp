// Reads the generated passwords, adds the tester at each service, and builds URLs for each user.
#include "tests/harness/logins.h"

#include <mutex>
#include <set>
#include <stdexcept>

#include "engine/access/access.h"
#include "engine/access/secret.h"
#include "tests/harness/folder.h"

namespace flashclaim::harness {
namespace {

template <class T>
T need(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(result).value();
}

struct Testers {
  std::mutex mutex;
  std::set<std::string, std::less<>> logins;
};
Testers& testers() {
  static Testers all;
  return all;
}

bool names_tester(const std::string& url) {
  const auto scheme = url.find("://");
  if (scheme == std::string::npos) return false;
  const auto at = url.find('@', scheme);
  if (at == std::string::npos) return false;
  const std::lock_guard lock(testers().mutex);
  return testers().logins.contains(std::string_view(url).substr(scheme + 3, at - scheme - 3));
}

std::string service_of(const std::string& url) {
  if (url.starts_with("redis://")) return "redis";
  return url.starts_with("amqp") ? "rabbitmq" : "postgres";
}

/// engine, consumer, admin, owner; "" for what is none of ours. A shell that starts one of ours is that one.
std::string role_of(const std::string& program, const std::vector<std::string>& words) {
  std::string line = program.substr(program.find_last_of('/') + 1);
  for (const std::string& word : words) line += ' ' + word;
  const auto names = [&line](const char* name) { return line.find(name) != std::string::npos; };
  if (names("flashclaim-engine")) return "engine";
  if (names("flashclaim-consumer")) return "consumer";
  if (names("flashctl")) return names("db migrate") ? "owner" : "admin";
  return names("flashbench") ? "admin" : "";
}

}  // namespace

const std::string& keys_folder() {
  static const std::string kFolder = [] {
    std::string path = run_folder() + "/keys";
    need(access::make_keys(path));
    return path;
  }();
  return kFolder;
}

const std::string& tester_password() {
  static const std::string kPassword = [] {
    std::string made = access::random_password();
    add_tester(std::string(kTester) + ':' + made);
    return made;
  }();
  return kPassword;
}

void add_tester(const std::string& login) {
  const std::lock_guard lock(testers().mutex);
  testers().logins.insert(login);
}

std::string as(const std::string& role, const std::string& url) {
  return !role.empty() && names_tester(url) ? need(access::access_url(keys_folder(), service_of(url), role, url)) : url;
}

Environment environment_of(const std::string& program, const std::vector<std::string>& words,
                           const Environment& environment) {
  const std::string role = role_of(program, words);
  if (role.empty()) return environment;
  Environment testers_urls;
  for (const auto& [name, value] : environment)
    if (names_tester(value)) testers_urls.emplace(name, value);
  if (testers_urls.empty()) return environment;
  Environment all = environment;
  for (const auto& [name, url] : need(access::access_environment(keys_folder(), role, testers_urls))) {
    if (name == "MIRROR_REDIS_URL" && environment.contains(name) && !testers_urls.contains(name)) continue;
    all[name] = url;
  }
  for (const auto& [name, url] : all)
    if (names_tester(url)) throw std::runtime_error(program + " would log in as the tester by " + name);
  return all;
}

}  // namespace flashclaim::harness
