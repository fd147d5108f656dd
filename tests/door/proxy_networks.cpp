// The limits of the proxies for an address: in IPv6 all of a /64 is one, for whoever has one address of it has them
// all.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>

#include "tests/door/proxies.h"
#include "tests/harness/folder.h"
#include "tests/harness/paths.h"
#include "tests/harness/tokens.h"

namespace flashclaim {
namespace {

/// A backend that takes every connection and never answers: it listens, and nobody accepts.
class SilentBackend {
 public:
  SilentBackend() : path_(harness::run_folder() + "/silent.sock"), fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::copy(path_.begin(), path_.end(), name.sun_path);
    EXPECT_EQ(bind(fd_, reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
    EXPECT_EQ(listen(fd_, 1000), 0);
  }
  ~SilentBackend() {
    close(fd_);
    unlink(path_.c_str());
  }
  SilentBackend(const SilentBackend&) = delete;
  SilentBackend& operator=(const SilentBackend&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
  int fd_;
};

class ProxyNetworks : public ::testing::Test {
 protected:
  ProxyNetworks() {
    wanted_.port = 18443;  // of a network of its own
    wanted_.engine = backend_.path();
    wanted_.certificate = harness::make_certificate(harness::run_folder(), "networks");
    wanted_.token_key = harness::run_folder() + "/networks-token.pem";
    wanted_.key_id = "k";
    wanted_.secret = std::string(32, 's');
    wanted_.address = "[::]";
    std::ofstream(wanted_.token_key) << harness::TokenMint("ES256", "k").pem();
  }
  /// Of 30 connections from each of four addresses; -1 where this machine gives nobody a network.
  [[nodiscard]] static int refused(const ProxyCommand& proxy, const std::vector<std::string>& addresses) {
    const std::string own = geteuid() == 0 ? "-n" : "-rn";
    if (harness::run_program("/usr/bin/unshare", {own, "/bin/true"}).exit_code != 0) {
      std::printf("UNTRIED: IPv6 networks, for this machine gives nobody one of its own (a container?)\n");
      return -1;
    }
    std::vector<std::string> words{own, harness::source_dir() + "/tests/door/networks.sh", "18443"};
    words.insert(words.end(), addresses.begin(), addresses.end());
    words.insert(words.end(), {"--", proxy.program});
    words.insert(words.end(), proxy.arguments.begin(), proxy.arguments.end());
    const auto done = harness::run_program("/usr/bin/unshare", words, proxy.environment);
    EXPECT_EQ(done.exit_code, 0) << done.out << done.err;
    return done.exit_code == 0 ? std::stoi(done.out) : 0;
  }
  static void expect_networks_are_one(const ProxyCommand& proxy) {
    const int apart = refused(proxy, {"fd00:0:0:1::1", "fd00:0:0:2::1", "fd00:0:0:3::1", "fd00:0:0:4::1"});
    if (apart < 0) return;
    EXPECT_EQ(apart, 0) << "each has 30 of 100";
    EXPECT_GE(refused(proxy, {"fd00:0:0:1::1", "fd00:0:0:1::2", "fd00:0:0:1:1::3", "fd00:0:0:1:ffff::4"}), 20)
        << "of 120 from one /64";
  }

  SilentBackend backend_;
  ProxyWanted wanted_;
};

TEST_F(ProxyNetworks, AreOneAddressToHaproxy) { expect_networks_are_one(haproxy_command(wanted_)); }
TEST_F(ProxyNetworks, AreOneAddressToNginx) { expect_networks_are_one(nginx_command(wanted_)); }

}  // namespace
}  // namespace flashclaim
