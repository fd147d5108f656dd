// Fills in the configuration templates, and starts haproxy and nginx with them.
#include "tests/door/proxies.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>

#include "tests/harness/folder.h"
#include "tests/harness/paths.h"
#include "tests/harness/raw_http.h"
#include "tests/harness/tokens.h"
#include "tests/harness/wait.h"

namespace flashclaim {
namespace {

const std::string kConfigurations = harness::source_dir() + "/engine/auth/proxy/";

std::string read(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::unique_ptr<harness::Process> started(const ProxyCommand& command, const ProxyWanted& wanted) {
  auto proxy = std::make_unique<harness::Process>(command.program, command.arguments, command.environment);
  const bool up = harness::wait_until([&] {
    try {
      harness::RawConnection connection(wanted.port, {.trusted = wanted.certificate.certificate});
      return true;
    } catch (const std::runtime_error&) {
      return !proxy->running();
    }
  });
  if (!up || !proxy->running()) throw std::runtime_error("the proxy did not start: " + proxy->output());
  return proxy;
}

/// base64 with padding, as HAProxy wants a secret.
std::string base64(std::string_view bytes) {
  std::string text = harness::base64url(bytes);
  for (char& c : text) c = c == '-' ? '+' : c == '_' ? '/' : c;
  while (text.size() % 4 != 0) text.push_back('=');
  return text;
}

std::string filled(std::string text, const std::map<std::string, std::string>& values) {
  for (const auto& [name, value] : values)
    for (auto at = text.find(name); at != std::string::npos; at = text.find(name)) text.replace(at, name.size(), value);
  return text;
}

}  // namespace

ProxyCommand haproxy_command(const ProxyWanted& wanted) {
  const std::string both = harness::run_folder() + "/proxy.pem";
  std::ofstream(both) << read(wanted.certificate.certificate) << read(wanted.certificate.key);
  const harness::Environment environment{{"LISTEN", wanted.address + ":" + std::to_string(wanted.port)},
                                         {"CERTIFICATE", both},
                                         {"TOKEN_KEY", wanted.token_key},
                                         {"AUDIENCE", "flashclaim"},
                                         {"ENGINE", "unix@" + wanted.engine},
                                         {"GATEWAY_KEY_ID", wanted.key_id},
                                         {"GATEWAY_KEY", base64(wanted.secret)}};
  return {"/usr/sbin/haproxy", {"-db", "-f", kConfigurations + "haproxy.cfg"}, environment};
}

std::unique_ptr<harness::Process> start_haproxy(const ProxyWanted& wanted) {
  return started(haproxy_command(wanted), wanted);
}

ProxyCommand nginx_command(const ProxyWanted& wanted) {
  const std::string folder = harness::run_folder() + "/nginx";
  std::filesystem::create_directories(folder);
  std::ofstream(folder + "/nginx.conf") << "daemon off;\n"
                                        << (geteuid() == 0 ? "user root;\n" : "")  // to open the socket
                                        << filled(read(kConfigurations + "nginx.conf"),
                                                  {{"@FOLDER@", folder},
                                                   {"@ENGINE@", "unix:" + wanted.engine},
                                                   {"@LISTEN@", wanted.address + ":" + std::to_string(wanted.port)},
                                                   {"@CERTIFICATE@", wanted.certificate.certificate},
                                                   {"@KEY@", wanted.certificate.key}});
  return {"/usr/sbin/nginx", {"-p", folder, "-c", folder + "/nginx.conf"}};
}

std::unique_ptr<harness::Process> start_nginx(const ProxyWanted& wanted) {
  return started(nginx_command(wanted), wanted);
}

}  // namespace flashclaim
