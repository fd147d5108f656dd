// getaddrinfo has no deadline: for a name it runs in a thread that is left behind when it is late.
#include "engine/net/resolve.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <future>
#include <memory>
#include <thread>
#include <utility>

namespace flashclaim::net {
namespace {

Result<std::vector<std::string>> look_up(const std::string& host, int flags) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(host.c_str(), nullptr, &hints, &found); error != 0)
    return failure("cannot resolve " + host + ": " + gai_strerror(error));
  std::vector<std::string> addresses;
  for (const addrinfo* each = found; each; each = each->ai_next) {
    char text[NI_MAXHOST] = "";
    if (getnameinfo(each->ai_addr, each->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) != 0) continue;
    if (std::find(addresses.begin(), addresses.end(), text) == addresses.end()) addresses.emplace_back(text);
  }
  freeaddrinfo(found);
  if (addresses.empty()) return failure("cannot resolve " + host + ": it has no address");
  return addresses;
}

}  // namespace

int milliseconds_until(Clock::time_point at) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(at - Clock::now()).count();
  return left > 0 ? static_cast<int>(left) : 0;
}

Result<std::vector<std::string>> addresses_of(const std::string& host) { return look_up(host, 0); }

Result<std::vector<std::string>> addresses_of(const std::string& host, Clock::time_point deadline) {
  if (auto literal = look_up(host, AI_NUMERICHOST)) return literal;
  auto promise = std::make_shared<std::promise<Result<std::vector<std::string>>>>();
  auto found = promise->get_future();
  std::thread([promise, host] { promise->set_value(look_up(host, 0)); }).detach();
  if (found.wait_until(deadline) != std::future_status::ready) return failure("resolving " + host + " timed out");
  return found.get();
}

}  // namespace flashclaim::net
