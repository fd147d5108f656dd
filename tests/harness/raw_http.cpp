// Blocking sockets with a timeout, and a small parser for the head of an answer.
#include "tests/harness/raw_http.h"

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <stdexcept>

namespace flashclaim::harness {
namespace {

constexpr int kDeadlineSeconds = 60;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

RawAnswer parse_head(std::string_view head) {
  RawAnswer answer;
  answer.head = head;
  if (head.size() > 12) answer.status = std::stoi(std::string(head.substr(9, 3)));
  std::size_t at = head.find("\r\n");
  while (at + 2 < head.size()) {
    const std::size_t end = head.find("\r\n", at + 2);
    const std::string_view line = head.substr(at + 2, end - at - 2);
    const std::size_t colon = line.find(": ");
    if (colon != std::string_view::npos) answer.headers[lower(line.substr(0, colon))] = line.substr(colon + 2);
    at = end;
  }
  return answer;
}

}  // namespace

RawConnection::RawConnection(int port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  connect_to(&address, sizeof address, "port " + std::to_string(port));
}

RawConnection::RawConnection(const std::string& path) : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  connect_to(&address, sizeof address, path);
}

RawConnection::RawConnection(int port, const TlsClient& tls) : RawConnection(port) {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_security_level(context, 0);  // a test may offer what is out of use
  SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
  SSL_CTX_set_max_proto_version(context, static_cast<int>(tls.newest));
  SSL_CTX_load_verify_locations(context, tls.trusted.c_str(), nullptr);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>(tls.protocols.data()),
                          static_cast<unsigned>(tls.protocols.size()));
  ssl_ = SSL_new(context);
  SSL_CTX_free(context);
  SSL_set1_host(ssl_, "localhost");
  SSL_set_fd(ssl_, fd_);
  if (SSL_connect(ssl_) != 1) throw std::runtime_error("the handshake failed");
}

void RawConnection::connect_to(const void* address, unsigned size, const std::string& name) {
  timeval deadline{kDeadlineSeconds, 0};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
  setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof deadline);
  if (connect(fd_, static_cast<const sockaddr*>(address), size) != 0) {
    close(fd_);
    throw std::runtime_error("nobody listens on " + name);
  }
}

RawConnection::~RawConnection() {
  SSL_free(ssl_);
  if (fd_ >= 0) close(fd_);
}

void RawConnection::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ssl_ ? SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()))
                              : ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;  // the server has closed: what follows will show it
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void RawConnection::half_close() { shutdown(fd_, SHUT_WR); }

void RawConnection::reset() {
  linger now{1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close(fd_);
  fd_ = -1;
}

/// False at the end of the stream, or of our patience.
bool RawConnection::fill() {
  char buffer[16384];
  const ssize_t got = ssl_ ? SSL_read(ssl_, buffer, sizeof buffer) : recv(fd_, buffer, sizeof buffer, 0);
  if (got <= 0) return false;
  received_.append(buffer, static_cast<std::size_t>(got));
  return true;
}

std::optional<RawAnswer> RawConnection::answer(bool head_only) {
  std::size_t end;
  while ((end = received_.find("\r\n\r\n")) == std::string::npos)
    if (!fill()) return std::nullopt;
  RawAnswer answer = parse_head(std::string_view(received_).substr(0, end + 2));
  received_.erase(0, end + 4);
  const auto length = answer.headers.find("content-length");
  const std::size_t size = head_only || length == answer.headers.end() ? 0 : std::stoul(length->second);
  while (received_.size() < size)
    if (!fill()) return std::nullopt;
  answer.body = received_.substr(0, size);
  received_.erase(0, size);
  return answer;
}

bool RawConnection::closed_by_server() {
  if (!received_.empty()) return false;
  char byte;
  if (ssl_) return SSL_read(ssl_, &byte, 1) <= 0;
  return recv(fd_, &byte, 1, 0) == 0 || errno == ECONNRESET;
}

RawAnswer raw_request(int port, std::string_view method, std::string_view path, std::string_view headers) {
  RawConnection connection(port);
  std::string text(method);
  text.append(" ").append(path).append(" HTTP/1.1\r\nHost: test\r\n").append(headers).append("\r\n");
  connection.send(text);
  auto answer = connection.answer(method == "HEAD");
  if (!answer) throw std::runtime_error("no answer to " + text);
  return *answer;
}

}  // namespace flashclaim::harness
