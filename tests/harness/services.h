// Redis, RabbitMQ and PostgreSQL for tests: real servers of this test process alone, on loopback, gone when it ends.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/harness/process.h"
#include "tests/harness/tls.h"

namespace flashclaim::harness {

/// What a server that speaks TLS needs; PEM files, which are copied.
struct ServerTls {
  CertificateFiles certificate;
  std::string trusted;  ///< the authority that signed it: what the URLs of the harness trust
  std::string client_ca =
      {};  ///< RabbitMQ and Redis ask their clients for a certificate of this one; empty: they do not
};

/// What a server is started with: words of its command line (Redis, PostgreSQL), files that lie in its folder before it
/// starts (each time: a test may have destroyed them), and what service.sh finds in its environment.
struct Setup {
  std::string options = {};
  std::map<std::string, std::string> files = {};
  Environment environment = {};
  std::optional<ServerTls> tls = {};  ///< with it the server speaks TLS and nothing else
};

/// One private server. start, stop and kill throw std::runtime_error with the server's own words. After kill or stop,
/// start brings the same server back with its data. Not for use by two threads at once.
class Service {
 public:
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  void start();
  void stop();   ///< in good order
  void kill();   ///< kill -9
  void pause();  ///< SIGSTOP to every process of it: connected, but never an answer
  void resume();
  [[nodiscard]] int pid() const;  ///< -1 when it does not run
  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] const std::string& folder() const { return folder_; }
  [[nodiscard]] std::string kind() const { return kind_; }  ///< redis, rabbitmq, postgres
  [[nodiscard]] std::string log_path() const;
  /// Other files for a server that speaks TLS: RabbitMQ uses them for its next connection, PostgreSQL when it reloads,
  /// Redis when it starts or is told to (take_certificates).
  /// What the URLs trust changes too.
  void use(const ServerTls& tls);

 protected:
  Service(const char* kind, int ports, Setup setup);
  /// What the URLs name as the authority to trust; "" when the server does not speak TLS.
  [[nodiscard]] std::string trusted() const;

 private:
  void run(const char* verb) const;
  void signal_all(int number) const;
  const char* kind_;
  int port_;
  std::string folder_;
  std::map<std::string, std::string> files_;
  Environment environment_;
  bool tls_ = false;
  bool asks_ = false;  ///< for a certificate of its clients
};

class PrivateRedis : public Service {
 public:
  /// `options`: more words of redis-server's command line, such as "--maxmemory 64mb".
  explicit PrivateRedis(std::string options = "");
  explicit PrivateRedis(Setup setup);
  /// The one of this process, started at first use. Tests that break it take one of their own.
  static PrivateRedis& shared();
  /// As the tester (logins.h): a program that gets this URL logs in as itself.
  [[nodiscard]] std::string url() const;
  /// What redis-cli prints for these words, as the tester. Throws when it fails.
  [[nodiscard]] std::string cli(const std::vector<std::string>& words) const;
  /// After use(): the new certificate for its next connections, as `make up` tells it to.
  void take_certificates() const;
  /// Forgets every key; the functions stay.
  void flush();
  /// The append-only file that it wrote last.
  [[nodiscard]] std::string append_only_file() const;
  /// While it is down: its file as a kill in the middle of a write leaves it. The claim of `user`, written and never
  /// answered: its transaction ends in the middle of its second command.
  void tear_claim(std::int64_t coupon, std::int64_t user) const;
};

class PrivateRabbit : public Service {
 public:
  explicit PrivateRabbit(Setup setup = {});
  static PrivateRabbit& shared();
  /// The URL of the vhost `/`, as the tester (logins.h).
  [[nodiscard]] std::string url() const;
  /// A new, empty vhost, in which the users may do what they may do in `/`.
  std::string fresh_vhost();
  /// The broker's own rabbitmqctl: policies, alarms. Takes seconds. Throws when it fails.
  void ctl(const std::vector<std::string>& words);
  /// Before a kill: RabbitMQ 3.10 writes the names of new quorum queues to disk half a second after their declaration.
  /// A broker that is killed before that comes back with queues that never elect a leader and answer nothing.
  static void let_new_queues_reach_the_disk();

 private:
  [[nodiscard]] std::string url_of(const std::string& vhost) const;
  int vhosts_ = 0;
  int made_ = 0;
};

class PrivatePostgres : public Service {
 public:
  explicit PrivatePostgres(std::string options = "");
  explicit PrivatePostgres(Setup setup);
  static PrivatePostgres& shared();
  /// The URL of the superuser's database `postgres`. The superuser is the tester here (logins.h).
  [[nodiscard]] std::string url() const { return url_of("postgres"); }
  /// A new, empty database, prepared for its first `flashctl db migrate`.
  std::string fresh_database();
  /// A new database that has all migrations.
  std::string migrated_database();
  /// Gives the users their rights in a database, as `make up` does before the migrations and after them.
  static void grant(const std::string& url);

 private:
  [[nodiscard]] std::string url_of(const std::string& database) const;
  std::string create_database(const std::string& database_template);
  void create_template();
  int databases_ = 0;
  bool has_template_ = false;
};

}  // namespace flashclaim::harness
