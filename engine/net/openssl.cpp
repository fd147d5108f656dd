// Key files are judged by their mode before OpenSSL opens them; files with a byte order mark are refused, for OpenSSL
// would pass over their first part.
#include "engine/net/openssl.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <cstring>

#include "engine/base/secret_file.h"
#include "engine/base/text.h"
#include "engine/base/try.h"

namespace flashclaim::net {
namespace {

int no_passphrase(char*, int, int, void*) { return 0; }  // else OpenSSL would ask the terminal

}  // namespace

void set_tls_rules(ssl_ctx_st* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20");
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_default_passwd_cb(context, no_passphrase);
}

Result<void> set_identity(ssl_ctx_st* context, const std::string& certificate, const std::string& key) {
  TRY(check_secret_file(key));
  for (const std::string& file : {certificate, key}) TRY(refuse_byte_order_mark_of(file));
  if (SSL_CTX_use_certificate_chain_file(context, certificate.c_str()) != 1)
    return failure(certificate + " is no certificate chain in PEM: " + openssl_reason());
  if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1)
    return failure(key + " is not the private key of " + certificate +
                   " in PEM, without a passphrase: " + openssl_reason());
  return {};
}

std::string openssl_reason() {
  const unsigned long code = ERR_peek_error();
  const char* reason = ERR_reason_error_string(code);
  std::string text = ERR_SYSTEM_ERROR(code) ? std::strerror(ERR_GET_REASON(code)) : reason ? reason : "unknown error";
  ERR_clear_error();
  return text;
}

}  // namespace flashclaim::net
