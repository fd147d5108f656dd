// HAProxy and nginx with the configurations of engine/auth/proxy, in front of an engine under test.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/harness/process.h"
#include "tests/harness/tls.h"

namespace flashclaim {

struct ProxyWanted {
  int port = 0;        ///< where it listens, on `address`
  std::string engine;  ///< path of the engine's unix socket
  harness::CertificateFiles certificate;
  std::string token_key;  ///< HAProxy: PEM of the issuer's public key
  std::string key_id;     ///< HAProxy: what it signs with
  std::string secret;     ///< HAProxy: its bytes
  std::string address = "127.0.0.1";
};

/// A program and what it is started with.
struct ProxyCommand {
  std::string program;
  std::vector<std::string> arguments;
  harness::Environment environment = {};
};
ProxyCommand haproxy_command(const ProxyWanted& wanted);
ProxyCommand nginx_command(const ProxyWanted& wanted);

/// Runs until it is destroyed; listens already. Throws when it does not start.
std::unique_ptr<harness::Process> start_haproxy(const ProxyWanted& wanted);
std::unique_ptr<harness::Process> start_nginx(const ProxyWanted& wanted);

}  // namespace flashclaim
