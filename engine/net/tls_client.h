// TLS 1.2 and 1.3 over a socket of this room, used as Socket is: no call waits, events() says what to wait for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engine/base/result.h"
#include "engine/net/tls_files.h"

struct ssl_st;

namespace flashclaim::net {

/// What a server of TLS answers to bytes that are none. Neither a frame of AMQP nor a reply of Redis begins so.
inline bool is_tls_alert(std::string_view bytes) { return bytes.starts_with("\x15\x03"); }

/// A server that speaks no TLS may wait for more of what it does not understand.
inline constexpr const char* kNoHandshakeInTime =
    "the TLS handshake did not end in time: does the server speak TLS on this port?";

/// The client's side of one connection; one thread. Chain and host name are always verified.
class TlsClient {
 public:
  /// Reads the files, anew for each connection: a changed file holds from the next one on. The error is a sentence that
  /// names the file. Does not own the descriptor, which must be non-blocking and connected.
  static Result<std::unique_ptr<TlsClient>> prepare(const TlsFiles& files, const std::string& host, int fd);
  ~TlsClient();
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  /// As far as it goes now; true when it is done. The error says what is wrong with the certificate, or whether the
  /// peer speaks TLS at all.
  Result<bool> handshake();
  /// As Socket::send. What was not taken must be offered again, unchanged, before anything else (more may follow it).
  Result<std::size_t> send(std::string_view bytes);
  /// As Socket::receive: takes records until `size` is full or no whole one is left.
  Result<std::size_t> receive(char* buffer, std::size_t size);
  /// Tells the server that nothing more will come, if the socket takes it.
  void say_goodbye();

  /// What poll should wait for now, POLLIN and POLLOUT; `sending`: there is something to send.
  [[nodiscard]] short events(bool sending) const;
  /// Bytes that came over the network so far, of records that are not whole too.
  [[nodiscard]] std::uint64_t heard() const;

 private:
  struct Channel;
  enum class Then { kLater, kEnd };

  TlsClient(std::unique_ptr<Channel> channel, ssl_st* ssl, std::string host);
  /// Why an operation went no further; an error is final.
  Result<Then> explain(int result, short& waits_for);
  std::string refusal_of_certificate() const;

  std::unique_ptr<Channel> channel_;
  ssl_st* ssl_;
  std::string host_;
  short read_waits_for_;   // POLLOUT: a key update of the peer has to be answered first
  short write_waits_for_;  // POLLIN: being writable changes nothing
  std::string broken_;     // the first error: TLS cannot go on behind it
};

}  // namespace flashclaim::net
