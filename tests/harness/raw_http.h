// A blocking HTTP client for tests that sends exactly the bytes it is given, well-formed or not.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "tests/harness/tls.h"

struct ssl_st;

namespace flashclaim::harness {

struct RawAnswer {
  int status = 0;
  std::map<std::string, std::string> headers;  ///< names in lower case
  std::string body;
  std::string head;  ///< as it came
};

/// One connection to 127.0.0.1:port; not for two threads at once. Every read gives up after a generous deadline.
class RawConnection {
 public:
  /// Throws std::runtime_error when nobody listens.
  explicit RawConnection(int port);
  /// The same inside TLS; throws also when the handshake fails or the server's certificate is another.
  RawConnection(int port, const TlsClient& tls);
  /// To a unix socket.
  explicit RawConnection(const std::string& path);
  ~RawConnection();
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  void send(std::string_view bytes);
  void half_close();
  /// Close with a reset instead of an end.
  void reset();
  /// The next answer; nullopt when the server closed, or sent none within the deadline. `head_only`: to a HEAD request.
  std::optional<RawAnswer> answer(bool head_only = false);
  /// True once the server has closed and every byte it sent was taken by answer().
  bool closed_by_server();

 private:
  bool fill();
  void connect_to(const void* address, unsigned size, const std::string& name);

  int fd_ = -1;
  ssl_st* ssl_ = nullptr;
  std::string received_;
};

/// One request on a connection of its own. `headers`: further lines, each ended by CRLF.
RawAnswer raw_request(int port, std::string_view method, std::string_view path, std::string_view headers = {});

}  // namespace flashclaim::harness
