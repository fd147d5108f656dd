// HAProxy and nginx with the configurations of engine/door/proxy, in front of an engine under test.
#pragma once

#include <memory>
#include <string>

#include "tests/harness/process.h"
#include "tests/harness/tls.h"

namespace flashclaim {

struct ProxyWanted {
  int port = 0;        ///< where it listens, on 127.0.0.1
  std::string engine;  ///< path of the engine's unix socket
  harness::CertificateFiles certificate;
  std::string token_key;  ///< HAProxy: PEM of the issuer's public key
  std::string key_id;     ///< HAProxy: what it signs with
  std::string secret;     ///< HAProxy: its bytes
};

/// Runs until it is destroyed; listens already. Throws when it does not start.
std::unique_ptr<harness::Process> start_haproxy(const ProxyWanted& wanted);
std::unique_ptr<harness::Process> start_nginx(const ProxyWanted& wanted);

}  // namespace flashclaim
