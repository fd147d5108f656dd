// No read-ahead: OpenSSL takes one record at a time from the socket, and holds nothing back.
#include "engine/http/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "engine/base/try.h"
#include "engine/net/openssl.h"

namespace flashclaim::http {
namespace {

/// The one protocol that is spoken here; a client that offers others only is told so.
int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in, unsigned in_size,
                    void*) {
  static constexpr std::string_view kOurs("\x08http/1.1");
  const std::string_view offered(reinterpret_cast<const char*>(in), in_size);
  for (std::size_t at = 0; at < offered.size(); at += 1 + static_cast<unsigned char>(offered[at])) {
    if (offered.substr(at, kOurs.size()) != kOurs) continue;
    *out = in + at + 1;
    *out_size = static_cast<unsigned char>(kOurs.size() - 1);
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

void configure(SSL_CTX* context) {
  net::set_tls_rules(context);
  SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);  // an idle connection keeps no buffers
  SSL_CTX_set_num_tickets(context, 1);
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
}

}  // namespace

Result<std::shared_ptr<const TlsContext>> TlsContext::load(const std::string& certificate, const std::string& key) {
  std::shared_ptr<const TlsContext> made(new TlsContext(SSL_CTX_new(TLS_server_method())));
  SSL_CTX* context = made->context_;
  if (!context) return failure("no TLS: " + net::openssl_reason());
  configure(context);
  TRY(net::set_identity(context, certificate, key));
  return made;
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

TlsSession::TlsSession(const TlsContext& context, int fd) : ssl_(SSL_new(context.context_)) {
  if (!ssl_ || SSL_set_fd(ssl_, fd) != 1) {
    broken_ = true;
    ERR_clear_error();
    return;
  }
  SSL_set_accept_state(ssl_);
}

TlsSession::~TlsSession() { SSL_free(ssl_); }

bool TlsSession::established() const { return ssl_ && SSL_is_init_finished(ssl_) == 1; }

/// From OpenSSL's way of saying it to that of recv and send.
ssize_t TlsSession::explain(int result) {
  const int error = SSL_get_error(ssl_, result);
  waits_to_write_ = error == SSL_ERROR_WANT_WRITE && !established();
  if (error == SSL_ERROR_ZERO_RETURN) return 0;
  errno = EAGAIN;
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return -1;
  broken_ = true;
  ERR_clear_error();
  errno = ECONNRESET;
  return -1;
}

ssize_t TlsSession::read(char* data, std::size_t size) {
  if (broken_) return errno = ECONNRESET, -1;
  std::size_t got = 0;
  do {
    ERR_clear_error();
    const int result = SSL_read(ssl_, data + got, static_cast<int>(std::min<std::size_t>(size - got, kRecordMax)));
    if (result <= 0) {
      const ssize_t why = explain(result);
      return got > 0 ? static_cast<ssize_t>(got) : why;
    }
    got += static_cast<std::size_t>(result);
  } while (size - got >= kRecordMax);
  return static_cast<ssize_t>(got);
}

ssize_t TlsSession::write(const char* data, std::size_t size) {
  if (broken_) return errno = ECONNRESET, -1;
  ERR_clear_error();
  const int result = SSL_write(ssl_, data, static_cast<int>(std::min<std::size_t>(size, kRecordMax)));
  if (result > 0) return result;
  const ssize_t why = explain(result);
  return why == 0 ? (errno = ECONNRESET, -1) : why;
}

void TlsSession::say_goodbye() {
  if (broken_ || !established()) return;
  SSL_shutdown(ssl_);
  ERR_clear_error();
}

}  // namespace flashclaim::http
