// One poll loop over all connections of the gate; see gate.h.
#include "tests/harness/gate.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <list>
#include <stdexcept>
#include <vector>

#include "tests/harness/folder.h"

namespace flashclaim::harness {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kBufferBytesMax = 256 * 1024;
constexpr int kTickMs = 5;  // how often delayed and slowed bytes are looked at

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

void close_with_reset(int fd) {
  linger hard{1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  close(fd);
}

struct Chunk {
  Clock::time_point due;
  std::string bytes;
};

/// Bytes on their way in one direction.
struct Pipe {
  int from = -1;
  int to = -1;
  std::deque<Chunk> chunks;
  std::size_t size = 0;
  bool ended = false;  // `from` has sent its last byte
  bool end_forwarded = false;
  Clock::time_point budget_from = Clock::now();
  double budget = 0;  // bytes that may go now, while slow
};

struct Link {
  Pipe up;
  Pipe down;
  bool dead = false;
  bool swallowed = false;  // bytes of it went into the black hole
};

}  // namespace

class Gate::Loop {
 public:
  explicit Loop(Gate& gate) : gate_(gate) { listen_again(); }
  ~Loop() {
    for (Link& link : links_) drop(link, false);
    if (listener_ >= 0) close(listener_);
  }

  void run() {
    while (!gate_.stopping_) {
      apply_change();
      std::vector<pollfd> polled = wanted();
      poll(polled.data(), polled.size(), timeout_ms());
      std::uint64_t drained = 0;
      [[maybe_unused]] auto size = read(gate_.wake_fd_, &drained, sizeof drained);
      if (listener_ >= 0) accept_all();
      for (Link& link : links_) {
        move(link, link.up);
        move(link, link.down);
        if (link.up.end_forwarded && link.down.end_forwarded) drop(link, false);
      }
      links_.remove_if([](const Link& link) { return link.dead; });
      gate_.connections_ = static_cast<int>(links_.size());
    }
  }

 private:
  void listen_again() {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int one = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    sockaddr_in address = loopback(gate_.port_);
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(listener_, 1024) != 0)
      throw std::runtime_error("the gate cannot listen on port " + std::to_string(gate_.port_));
  }

  void apply_change() {
    const std::uint64_t changes = gate_.changes_;
    if (gate_.applied_ == changes) return;
    mode_ = gate_.mode_;
    left_until_cut_ = gate_.amount_;
    damage_after_ = gate_.damage_after_;
    for (Link& link : links_)
      if (link.swallowed && mode_ != GateMode::kBlackHole) drop(link, true);
    if (mode_ == GateMode::kRefuse && listener_ >= 0) {
      close(listener_);
      listener_ = -1;
    } else if (mode_ != GateMode::kRefuse && listener_ < 0) {
      listen_again();
    }
    if (mode_ == GateMode::kRefuse || mode_ == GateMode::kClose)
      for (Link& link : links_) drop(link, mode_ == GateMode::kRefuse);
    gate_.applied_ = changes;
    gate_.applied_.notify_all();
  }

  std::vector<pollfd> wanted() {
    std::vector<pollfd> polled{{gate_.wake_fd_, POLLIN, 0}};
    if (listener_ >= 0) polled.push_back({listener_, POLLIN, 0});
    if (mode_ == GateMode::kStall) return polled;
    for (Link& link : links_) {
      for (Pipe* pipe : {&link.up, &link.down}) {
        if (!pipe->ended && pipe->size < kBufferBytesMax) polled.push_back({pipe->from, POLLIN, 0});
        if (pipe->size > 0 && mode_ != GateMode::kDelay && mode_ != GateMode::kSlow)
          polled.push_back({pipe->to, POLLOUT, 0});
      }
    }
    return polled;
  }

  [[nodiscard]] int timeout_ms() const { return mode_ == GateMode::kDelay || mode_ == GateMode::kSlow ? kTickMs : 200; }

  void accept_all() {
    while (true) {
      int client = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (client < 0) return;
      int server = mode_ == GateMode::kClose ? -1 : socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      sockaddr_in address = loopback(gate_.target_port_);
      if (server < 0 || connect(server, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
        close(client);
        if (server >= 0) close(server);
        continue;
      }
      fcntl(server, F_SETFL, fcntl(server, F_GETFL) | O_NONBLOCK);
      int one = 1;
      setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      Link& link = links_.emplace_back();
      link.up.from = link.down.to = client;
      link.up.to = link.down.from = server;
    }
  }

  void move(Link& link, Pipe& pipe) {
    if (link.dead || mode_ == GateMode::kStall) return;
    if (!take_in(link, pipe)) return;
    give_out(link, pipe);
  }

  /// False when the link is gone.
  bool take_in(Link& link, Pipe& pipe) {
    char bytes[16384];
    while (!pipe.ended && pipe.size < kBufferBytesMax) {
      auto got = recv(pipe.from, bytes, sizeof bytes, 0);
      if (got < 0 && (errno == EAGAIN || errno == EINTR)) return true;
      if (got < 0) {
        drop(link, true);
        return false;
      }
      if (got == 0) {
        pipe.ended = true;
        return true;
      }
      if (mode_ == GateMode::kBlackHole) {
        link.swallowed = true;
        continue;
      }
      std::string text(bytes, static_cast<std::size_t>(got));
      if (mode_ == GateMode::kCorrupt) corrupt(text);
      if (mode_ == GateMode::kDamage) damage(text);
      auto delay = std::chrono::milliseconds(mode_ == GateMode::kDelay ? gate_.amount_.load() : 0);
      pipe.size += text.size();
      pipe.chunks.push_back({Clock::now() + delay, std::move(text)});
    }
    return true;
  }

  void give_out(Link& link, Pipe& pipe) {
    auto now = Clock::now();
    refill(pipe, now);
    while (!pipe.chunks.empty() && pipe.chunks.front().due <= now) {
      Chunk& chunk = pipe.chunks.front();
      std::size_t size = chunk.bytes.size();
      if (mode_ == GateMode::kSlow) size = std::min(size, static_cast<std::size_t>(pipe.budget));
      if (mode_ == GateMode::kCut)
        size = std::min(size, static_cast<std::size_t>(std::max<std::int64_t>(0, left_until_cut_)));
      auto sent = size == 0 ? 0 : send(pipe.to, chunk.bytes.data(), size, MSG_NOSIGNAL);
      if (sent < 0) {
        if (errno != EAGAIN && errno != EINTR) drop(link, true);
        return;
      }
      gate_.forwarded_ += sent;
      pipe.size -= static_cast<std::size_t>(sent);
      if (mode_ == GateMode::kSlow) pipe.budget -= static_cast<double>(sent);  // else it would begin in debt
      left_until_cut_ -= sent;
      chunk.bytes.erase(0, static_cast<std::size_t>(sent));
      if (mode_ == GateMode::kCut && left_until_cut_ <= 0) {
        cut_all();
        return;
      }
      if (!chunk.bytes.empty()) return;
      pipe.chunks.pop_front();
    }
    if (pipe.ended && pipe.chunks.empty() && !pipe.end_forwarded) {
      shutdown(pipe.to, SHUT_WR);
      pipe.end_forwarded = true;
    }
  }

  void refill(Pipe& pipe, Clock::time_point now) {
    double rate = static_cast<double>(gate_.amount_.load());
    std::chrono::duration<double> since = now - pipe.budget_from;
    pipe.budget = std::min(pipe.budget + since.count() * rate, std::max(rate, 1.0));
    pipe.budget_from = now;
  }

  void corrupt(std::string& text) {
    auto every = std::max<std::int64_t>(1, gate_.amount_);
    for (char& byte : text) {
      random_ = random_ * 6364136223846793005ULL + 1442695040888963407ULL;
      if (static_cast<std::int64_t>((random_ >> 33) % static_cast<std::uint64_t>(every)) == 0)
        flip(byte, (random_ >> 20) & 7);
    }
  }

  void damage(std::string& text) {
    for (auto at = text.find(damage_after_); at != std::string::npos; at = text.find(damage_after_, at + 1))
      if (const auto behind = at + damage_after_.size(); behind < text.size()) flip(text[behind], 0);
  }

  void flip(char& byte, unsigned bit) {
    byte = static_cast<char>(byte ^ (1 << bit));
    ++gate_.damaged_;
  }

  void cut_all() {
    for (Link& link : links_) drop(link, true);
    mode_ = GateMode::kPass;
  }

  static void drop(Link& link, bool reset) {
    if (link.dead) return;
    link.dead = true;
    for (int fd : {link.up.from, link.up.to}) {
      if (reset) {
        close_with_reset(fd);
      } else {
        close(fd);
      }
    }
  }

  Gate& gate_;
  int listener_ = -1;
  GateMode mode_ = GateMode::kPass;
  std::int64_t left_until_cut_ = 0;
  std::string damage_after_;
  std::uint64_t random_ = 88172645463325252ULL;
  std::list<Link> links_;
};

const char* gate_mode_name(GateMode mode) {
  switch (mode) {
    case GateMode::kPass:
      return "pass";
    case GateMode::kRefuse:
      return "refuse";
    case GateMode::kStall:
      return "stall";
    case GateMode::kClose:
      return "close";
    case GateMode::kCut:
      return "cut";
    case GateMode::kDelay:
      return "delay";
    case GateMode::kSlow:
      return "slow";
    case GateMode::kCorrupt:
      return "corrupt";
    case GateMode::kDamage:
      return "damage";
    case GateMode::kBlackHole:
      return "black hole";
  }
  return "";
}

Gate::Gate(int target_port) : port_(free_ports()), target_port_(target_port) {
  wake_fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  loop_ = std::make_unique<Loop>(*this);
  thread_ = std::thread([this] { loop_->run(); });
}

Gate::~Gate() {
  stopping_ = true;
  wake();
  thread_.join();
  loop_.reset();
  close(wake_fd_);
}

void Gate::set(GateMode mode, std::int64_t amount) {
  mode_ = mode;
  amount_ = amount;
  const std::uint64_t change = ++changes_;
  wake();
  for (std::uint64_t applied = applied_; applied < change; applied = applied_) applied_.wait(applied);
}

void Gate::damage_after(const std::string& text) {
  damage_after_ = text;
  set(GateMode::kDamage);
}

void Gate::wake() const {
  std::uint64_t one = 1;
  [[maybe_unused]] auto written = write(wake_fd_, &one, sizeof one);
}

std::string Gate::through(const std::string& url) const {
  auto host_end = url.rfind(':', url.find_first_of("/?", url.find("://") + 3));
  auto port_end = url.find_first_not_of("0123456789", host_end + 1);
  return url.substr(0, host_end + 1) + std::to_string(port_) +
         (port_end == std::string::npos ? "" : url.substr(port_end));
}

}  // namespace flashclaim::harness
