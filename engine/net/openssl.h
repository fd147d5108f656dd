// What a TLS client and a TLS server set in OpenSSL alike.
#pragma once

#include <string>

#include "engine/base/result.h"

struct ssl_ctx_st;

namespace flashclaim::net {

/// TLS 1.2 and 1.3, AEAD ciphers with forward secrecy, no renegotiation, no compression, no sessions kept. The end of a
/// stream without a farewell is an end like any other: the protocols inside tell whether a message is whole.
void set_tls_rules(ssl_ctx_st* context);

/// Our certificate with its chain, and its private key without a passphrase, both in PEM. A key that everybody may read
/// is refused. The error is a sentence that names the file.
Result<void> set_identity(ssl_ctx_st* context, const std::string& certificate, const std::string& key);

/// Why OpenSSL's last call failed: its first error, for what stands behind it only repeats that there was one. Forgets
/// them all.
std::string openssl_reason();

}  // namespace flashclaim::net
