// Builds the frames byte by byte, and publishes over a plain socket.
#include "tests/harness/raw_amqp.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>
#include <utility>

#include "engine/base/url.h"

namespace flashclaim::harness {
namespace {

std::string number(std::uint64_t value, int bytes) {
  std::string out;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
  return out;
}
std::string short_text(std::string_view text) { return number(text.size(), 1) + std::string(text); }
std::string frame(int type, int channel, const std::string& payload) {
  return number(static_cast<std::uint64_t>(type), 1) + number(static_cast<std::uint64_t>(channel), 2) +
         number(payload.size(), 4) + payload + '\xCE';
}
std::string method(int channel, int class_id, int method_id, const std::string& arguments) {
  return frame(
      1, channel,
      number(static_cast<std::uint64_t>(class_id), 2) + number(static_cast<std::uint64_t>(method_id), 2) + arguments);
}

class Socket {
 public:
  explicit Socket(int port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval patience{60, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      throw std::runtime_error("raw AMQP: no connection");
  }
  ~Socket() { ::close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  void send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) throw std::runtime_error("raw AMQP: the broker hung up");
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  /// Frames up to this method; another close is an error.
  void wait_for(int class_id, int method_id) {
    for (;;) {
      const std::string head = take(7);
      std::size_t size = 0;
      for (int i = 3; i < 7; ++i) size = size << 8 | static_cast<unsigned char>(head[static_cast<std::size_t>(i)]);
      const std::string payload = take(size + 1);
      if (head[0] != 1) continue;
      const int got_class = static_cast<unsigned char>(payload[1]);
      const int got_method = static_cast<unsigned char>(payload[3]);
      if (got_class == class_id && got_method == method_id) return;
      if ((got_class == 10 && got_method == 50) || (got_class == 20 && got_method == 40))
        throw std::runtime_error("raw AMQP: the broker refuses: " + payload.substr(6));
    }
  }

 private:
  std::string take(std::size_t bytes) {
    while (received_.size() < bytes) {
      char buffer[4096];
      const auto got = ::recv(fd_, buffer, sizeof buffer, 0);
      if (got <= 0) throw std::runtime_error("raw AMQP: the broker hung up, or fell silent");
      received_.append(buffer, static_cast<std::size_t>(got));
    }
    std::string out = received_.substr(0, bytes);
    received_.erase(0, bytes);
    return out;
  }

  int fd_;
  std::string received_;
};

}  // namespace

std::string amqp_long(std::string_view bytes) { return number(bytes.size(), 4) + std::string(bytes); }
std::string amqp_field(std::string_view name, char kind, std::string_view value) {
  return short_text(name) + kind + std::string(value);
}

std::string amqp_nested(char kind, int depth) {
  // From the outside in: each is a length and the head of the next, so the whole is written in one go.
  const std::size_t head = kind == 'F' ? 2 : 1;  // a table's field has an empty name
  std::string value;
  for (int left = depth - 1; left >= 0; --left) {
    value += number(static_cast<std::size_t>(left) * (head + 4), 4);
    if (left == 0) break;
    if (kind == 'F') value += '\0';
    value += kind;
  }
  return value;
}

void publish_raw(const std::string& amqp_url, std::string_view exchange, std::string_view routing_key,
                 std::string_view fields, std::string_view body) {
  constexpr std::size_t kPart = 131072 - 8;
  const auto url = parse_url(amqp_url);
  if (!url) throw std::runtime_error(url.error().message);
  Socket socket(url->port);
  socket.send(std::string("AMQP\0\0\x9\x1", 8));
  socket.wait_for(10, 10);
  const std::string login = '\0' + url->user + '\0' + url->password;
  socket.send(method(0, 10, 11, amqp_long("") + short_text("PLAIN") + amqp_long(login) + short_text("en_US")));
  socket.wait_for(10, 30);
  socket.send(method(0, 10, 31, number(1, 2) + number(131072, 4) + number(0, 2)));
  socket.send(method(0, 10, 40, short_text(url->path) + short_text("") + number(0, 1)));
  socket.wait_for(10, 41);
  socket.send(method(1, 20, 10, short_text("")));
  socket.wait_for(20, 11);
  std::string out = method(1, 60, 40, number(0, 2) + short_text(exchange) + short_text(routing_key) + number(0, 1));
  out += frame(2, 1, number(60, 2) + number(0, 2) + number(body.size(), 8) + number(0x2000, 2) + amqp_long(fields));
  for (std::size_t at = 0; at < body.size(); at += kPart) out += frame(3, 1, std::string(body.substr(at, kPart)));
  socket.send(out);
  socket.send(method(1, 20, 40, number(200, 2) + short_text("") + number(0, 4)));
  socket.wait_for(20, 41);
}

}  // namespace flashclaim::harness
