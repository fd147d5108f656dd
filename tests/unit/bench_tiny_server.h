// A server of a few lines for tests of the HTTP client: it answers what the test's function says, and can misbehave.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/http/address.h"
#include "engine/loop/loop.h"

namespace flashclaim::bench {

/// One loop, its thread. Sees whole requests without a body (they end with an empty line).
class TinyServer {
 public:
  struct Reply {
    std::string bytes;   ///< may be empty: no answer
    bool close = false;  ///< after the bytes
  };
  /// `connection` counts accepted connections from 0.
  using Answer = std::function<Reply(int connection, const std::string& request)>;

  TinyServer(loop::Loop& loop, Answer answer, int port = 0)
      : loop_(loop),
        answer_(std::move(answer)),
        acceptable_(loop, loop::FdEvent::Kind::kRead, [this] { accept_one(); }) {
    auto fd = http::listen_on({"127.0.0.1", port}, http::PortSharing::kExclusive);
    listener_ = fd ? *fd : -1;
    EXPECT_TRUE(fd) << (fd ? "" : fd.error().message);
    acceptable_.watch(listener_);
  }
  ~TinyServer() {
    acceptable_.forget();
    ::close(listener_);
    for (auto& peer : peers_) hang_up(*peer);
  }
  [[nodiscard]] http::Address address() const { return {"127.0.0.1", http::bound_port(listener_)}; }
  [[nodiscard]] int accepted() const { return static_cast<int>(peers_.size()); }

  /// From now on the peers' bytes stay where they are.
  void stop_reading() {
    for (auto& peer : peers_) peer->readable.pause();
  }

  static std::string response(int status, const std::string& body, const std::string& headers = "") {
    return "HTTP/1.1 " + std::to_string(status) + " Word\r\n" + headers +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }

 private:
  struct Peer {
    Peer(loop::Loop& loop, int with_fd, int with_number, std::function<void(Peer&)> on_readable)
        : fd(with_fd),
          number(with_number),
          readable(loop, loop::FdEvent::Kind::kRead, [this, on_readable] { on_readable(*this); }) {
      readable.watch(fd);
    }
    int fd;
    int number;
    std::string in;
    loop::FdEvent readable;
  };

  void accept_one() {
    int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    peers_.push_back(std::make_unique<Peer>(loop_, fd, accepted(), [this](Peer& peer) { on_readable(peer); }));
  }

  void on_readable(Peer& peer) {
    char bytes[4096];
    ssize_t got = ::read(peer.fd, bytes, sizeof bytes);
    if (got <= 0) return hang_up(peer);
    peer.in.append(bytes, static_cast<std::size_t>(got));
    for (std::size_t end; peer.fd >= 0 && (end = peer.in.find("\r\n\r\n")) != std::string::npos;) {
      std::string request = peer.in.substr(0, end + 4);
      peer.in.erase(0, end + 4);
      Reply reply = answer_(peer.number, request);
      [[maybe_unused]] ssize_t sent = ::send(peer.fd, reply.bytes.data(), reply.bytes.size(), MSG_NOSIGNAL);
      if (reply.close) hang_up(peer);
    }
  }

  static void hang_up(Peer& peer) {
    if (peer.fd < 0) return;
    peer.readable.forget();
    ::close(peer.fd);
    peer.fd = -1;
  }

  loop::Loop& loop_;
  Answer answer_;
  loop::FdEvent acceptable_;
  int listener_ = -1;
  std::vector<std::unique_ptr<Peer>> peers_;
};

}  // namespace flashclaim::bench
