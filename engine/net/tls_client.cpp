// OpenSSL gets a BIO of ours: its own would raise SIGPIPE, and does not tell how much was heard.
#include "engine/net/tls_client.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include "engine/base/text.h"
#include "engine/base/try.h"
#include "engine/net/openssl.h"

namespace flashclaim::net {

/// What the BIO works on, and what became of it.
struct TlsClient::Channel {
  int fd = -1;
  std::uint64_t heard = 0;
  bool ended = false;  // the peer's end of stream
  int error = 0;       // errno of a call that failed for good

  static int write(BIO* bio, const char* data, int size) {
    auto& channel = *static_cast<Channel*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    ssize_t sent;
    do {
      sent = ::send(channel.fd, data, static_cast<std::size_t>(size), MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) channel.failed(bio, BIO_FLAGS_WRITE);
    return static_cast<int>(sent);
  }
  static int read(BIO* bio, char* data, int size) {
    auto& channel = *static_cast<Channel*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    ssize_t got;
    do {
      got = ::recv(channel.fd, data, static_cast<std::size_t>(size), 0);
    } while (got < 0 && errno == EINTR);
    if (got < 0) channel.failed(bio, BIO_FLAGS_READ);
    if (got == 0) channel.ended = true;
    if (got > 0) channel.heard += static_cast<std::uint64_t>(got);
    return static_cast<int>(got);
  }
  static long control(BIO* bio, int command, long, void*) {
    if (command == BIO_CTRL_EOF) return static_cast<Channel*>(BIO_get_data(bio))->ended ? 1 : 0;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
  }
  static BIO* make_bio(Channel& channel) {
    static BIO_METHOD* const kMethod = [] {
      BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "flashclaim socket");
      BIO_meth_set_write(made, write);
      BIO_meth_set_read(made, read);
      BIO_meth_set_ctrl(made, control);
      return made;
    }();
    BIO* bio = BIO_new(kMethod);
    if (!bio) return nullptr;
    BIO_set_data(bio, &channel);
    BIO_set_init(bio, 1);
    return bio;
  }

 private:
  void failed(BIO* bio, int way) {
    if (errno == EAGAIN || errno == EWOULDBLOCK)
      BIO_set_flags(bio, way | BIO_FLAGS_SHOULD_RETRY);
    else
      error = errno;
  }
};

namespace {

using Context = std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)>;

void configure(SSL_CTX* context) {
  set_tls_rules(context);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_read_ahead(context, 1);  // receive() takes all there is before anybody waits for the socket
}

Result<void> trust(SSL_CTX* context, const std::string& file) {
  if (file.empty()) {
    if (SSL_CTX_set_default_verify_paths(context) == 1) return {};
    return failure("the system's certificate authorities cannot be read: " + openssl_reason());
  }
  if (auto fine = refuse_byte_order_mark_of(file); !fine) return failure("cacertfile " + fine.error().message);
  if (SSL_CTX_load_verify_locations(context, file.c_str(), nullptr) == 1) return {};
  return failure("cacertfile " + file + " holds no certificates in PEM: " + openssl_reason());
}

/// The certificate must be for this host: by its subject alternative names, a wildcard for one whole label at most.
bool expect(SSL* ssl, const std::string& host) {
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  unsigned char address[sizeof(in6_addr)];
  if (inet_pton(AF_INET, host.c_str(), address) == 1 || inet_pton(AF_INET6, host.c_str(), address) == 1)
    return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str()) == 1;
  return SSL_set1_host(ssl, host.c_str()) == 1 && SSL_set_tlsext_host_name(ssl, host.c_str()) == 1;
}

}  // namespace

Result<std::unique_ptr<TlsClient>> TlsClient::prepare(const TlsFiles& files, const std::string& host, int fd) {
  ERR_clear_error();
  const Context context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  if (!context) return failure("no TLS: " + openssl_reason());
  configure(context.get());
  TRY(trust(context.get(), files.trusted));
  if (!files.certificate.empty()) TRY(set_identity(context.get(), files.certificate, files.key));
  auto channel = std::make_unique<Channel>();
  channel->fd = fd;
  std::unique_ptr<TlsClient> tls(new TlsClient(std::move(channel), SSL_new(context.get()), host));
  BIO* bio = tls->ssl_ ? Channel::make_bio(*tls->channel_) : nullptr;
  if (!bio) return failure("no TLS: " + openssl_reason());
  SSL_set_bio(tls->ssl_, bio, bio);
  SSL_set_connect_state(tls->ssl_);
  if (!expect(tls->ssl_, host)) return failure("no certificate can be for a host of that name: " + openssl_reason());
  return tls;
}

TlsClient::TlsClient(std::unique_ptr<Channel> channel, ssl_st* ssl, std::string host)
    : channel_(std::move(channel)),
      ssl_(ssl),
      host_(std::move(host)),
      read_waits_for_(POLLIN),
      write_waits_for_(POLLOUT) {}

TlsClient::~TlsClient() { SSL_free(ssl_); }

std::string TlsClient::refusal_of_certificate() const {
  const long verdict = SSL_get_verify_result(ssl_);
  switch (verdict) {
    case X509_V_OK:
      return {};
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return "the server's certificate is not for the host " + host_;
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return "the server's certificate, or one above it, has expired";
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return "the server's certificate, or one above it, is not valid yet";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return std::string("no authority that is trusted here (cacertfile) signed the server's certificate: ") +
             X509_verify_cert_error_string(verdict);
    default:
      return std::string("the server's certificate is refused: ") + X509_verify_cert_error_string(verdict);
  }
}

Result<TlsClient::Then> TlsClient::explain(int result, short& waits_for) {
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ:
      waits_for = POLLIN;
      return Then::kLater;
    case SSL_ERROR_WANT_WRITE:
      waits_for = POLLOUT;
      return Then::kLater;
    case SSL_ERROR_ZERO_RETURN:
      return Then::kEnd;
    case SSL_ERROR_SYSCALL:
      if (channel_->error == 0) return Then::kEnd;
      return failure(std::strerror(channel_->error));
    default:
      broken_ = refusal_of_certificate();
      if (broken_.empty()) broken_ = "TLS: " + openssl_reason();
      ERR_clear_error();
      return failure(broken_);
  }
}

Result<bool> TlsClient::handshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_);
  if (result == 1) return true;
  const int reason = ERR_GET_REASON(ERR_peek_last_error());
  auto then = explain(result, read_waits_for_);
  if (then && *then == Then::kLater) return false;
  if (then) return failure("the server ended the TLS handshake without a word: is this its port for TLS?");
  if (reason == SSL_R_WRONG_VERSION_NUMBER) return failure("the server speaks no TLS on this port");
  return then.error();
}

Result<std::size_t> TlsClient::send(std::string_view bytes) {
  if (!broken_.empty()) return failure(broken_);
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    ERR_clear_error();
    const int result =
        SSL_write(ssl_, bytes.data() + sent, static_cast<int>(std::min<std::size_t>(bytes.size() - sent, INT_MAX)));
    if (result > 0) {
      write_waits_for_ = POLLOUT;
      sent += static_cast<std::size_t>(result);
      continue;
    }
    auto then = explain(result, write_waits_for_);
    if (!then) return failure("send: " + then.error().message);
    if (*then == Then::kEnd) return failure("send: the server closed the connection");
    break;
  }
  return sent;
}

Result<std::size_t> TlsClient::receive(char* buffer, std::size_t size) {
  if (!broken_.empty()) return failure(broken_);
  std::size_t got = 0;
  while (got < size) {
    ERR_clear_error();
    const int result = SSL_read(ssl_, buffer + got, static_cast<int>(std::min<std::size_t>(size - got, INT_MAX)));
    if (result > 0) {
      read_waits_for_ = POLLIN;
      got += static_cast<std::size_t>(result);
      continue;
    }
    auto then = explain(result, read_waits_for_);
    if (then && *then == Then::kLater) break;
    if (got > 0) break;  // first what came before the end; the end is seen again
    if (!then) return failure("receive: " + then.error().message);
    return failure("the server closed the connection");
  }
  return got;
}

void TlsClient::say_goodbye() {
  if (!broken_.empty() || channel_->error != 0 || SSL_is_init_finished(ssl_) != 1) return;
  SSL_shutdown(ssl_);
  ERR_clear_error();
}

short TlsClient::events(bool sending) const {
  return static_cast<short>(POLLIN | read_waits_for_ | (sending ? write_waits_for_ : 0));
}

std::uint64_t TlsClient::heard() const { return channel_->heard; }

}  // namespace flashclaim::net
