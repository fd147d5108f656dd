// TLS 1.2 and 1.3 on a connection of the server, with the conventions of recv and send.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <string>

#include "engine/base/result.h"

struct ssl_ctx_st;
struct ssl_st;

namespace flashclaim::http {

/// A certificate with its key, as connections begin with it. Immutable: any thread.
class TlsContext {
 public:
  /// PEM: the chain, the server's own certificate first, and its private key without a passphrase, which is refused
  /// when everybody may read it. AEAD ciphers with forward secrecy, no renegotiation, no early data, http/1.1 by ALPN;
  /// sessions are resumed by tickets, whose keys die with the context. The error is a sentence with the file.
  static Result<std::shared_ptr<const TlsContext>> load(const std::string& certificate, const std::string& key);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

 private:
  friend class TlsSession;
  explicit TlsContext(ssl_ctx_st* context) : context_(context) {}
  ssl_ctx_st* context_;
};

/// The loop's thread. The process must ignore SIGPIPE.
class TlsSession {
 public:
  /// Neither owns the descriptor nor needs the context for longer.
  TlsSession(const TlsContext& context, int fd);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  /// Does the handshake first, as far as it goes. As recv: bytes, 0 at the end, or -1 with errno (EAGAIN: later).
  /// Nothing that came over the socket is left in here as long as `size` is at least kRecordMax: whoever waits for the
  /// socket misses nothing.
  ssize_t read(char* data, std::size_t size);
  /// As send.
  ssize_t write(const char* data, std::size_t size);
  /// Tells the client that nothing more will come, if the socket takes it.
  void say_goodbye();

  [[nodiscard]] bool established() const;
  /// The handshake is incomplete, and the socket is not writable.
  [[nodiscard]] bool waits_to_write() const { return waits_to_write_; }

  static constexpr std::size_t kRecordMax = 16384;

 private:
  ssize_t explain(int result);

  ssl_st* ssl_;
  bool waits_to_write_ = false;
  bool broken_ = false;
};

}  // namespace flashclaim::http
