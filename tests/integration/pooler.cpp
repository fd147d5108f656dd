// PgBouncer between us and PostgreSQL: a session that is not ours alone is refused, by every program, with a sentence.
#include <fstream>

#include "engine/base/url.h"
#include "tests/harness/folder.h"
#include "tests/harness/raw_http.h"
#include "tests/integration/admin_flashctl.h"

namespace flashclaim::operations {
namespace {

using harness::wait_until;

/// One of its own for each test, in front of the shared PostgreSQL.
class Pooler : public Flashctl {
 protected:
  /// `more`: further lines of its configuration.
  void start(const std::string& mode, const std::string& more = "ignore_startup_parameters = options") {
    const Url behind = *parse_url(pg_url());
    const int port = harness::free_ports();
    const std::string file = harness::run_folder() + "/pgbouncer.ini";
    std::ofstream(file) << "[databases]\n* = host=" << behind.host << " port=" << behind.port << " user=" << behind.user
                        << " password=" << behind.password
                        << "\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = " << port
                        << "\nauth_type = any\nunix_socket_dir =\npool_mode = " << mode << "\n"
                        << more << "\n";
    std::vector<std::string> words = {file};
    if (geteuid() == 0) words.insert(words.begin(), {"-u", "postgres"});
    pgbouncer_ = std::make_unique<harness::Process>("/usr/sbin/pgbouncer", words);
    ASSERT_TRUE(wait_until([&] {
      try {
        harness::RawConnection there(port);
        return true;
      } catch (const std::runtime_error&) {
        return false;
      }
    })) << pgbouncer_->output();
    pooled_ = "postgresql://" + behind.user + ":any@127.0.0.1:" + std::to_string(port) + "/" + behind.path;
  }
  [[nodiscard]] harness::Finished with_pooler(const std::string& program, const std::vector<std::string>& words) {
    return harness::run_program(
        program, words,
        {{"REDIS_URL", redis_url()}, {"AMQP_URL", amqp_url()}, {"PG_URL", pooled_}, {"HTTP_URL", "http://127.0.0.1:1"}},
        "", std::chrono::seconds(60));
  }
  void expect_refusals() {
    const std::pair<const char*, std::vector<std::string>> programs[] = {
        {"flashctl", {"db", "status"}},
        {"flashctl", {"coupon", "list"}},
        {"flashctl", {"status"}},
        {"flashbench", {"storm", "--quiet"}},
        {"flashclaim-consumer", {"--admin-listen=127.0.0.1:" + std::to_string(harness::free_ports())}},
        {"flashclaim-engine",
         {"--listen=127.0.0.1:" + std::to_string(harness::free_ports()),
          "--admin-listen=127.0.0.1:" + std::to_string(harness::free_ports())}}};
    for (const auto& [program, words] : programs) {
      const auto refused = with_pooler(program, words);
      const int code = words[0] == "status" ? 5 : 1;  // status tells of every store that it cannot use in one way
      EXPECT_EQ(refused.exit_code, code) << program << " " << words[0] << refused.out << refused.err;
      EXPECT_NE(refused.err.find("pooler"), std::string::npos) << program << " " << words[0] << ": " << refused.err;
      EXPECT_NE(refused.err.find("session mode"), std::string::npos) << "the way out: " << refused.err;
    }
  }

  std::unique_ptr<harness::Process> pgbouncer_;
  std::string pooled_;
};

TEST_F(Pooler, InTransactionModeIsRefusedByEveryProgram) {
  declare();
  start("transaction");
  expect_refusals();
}

TEST_F(Pooler, InStatementModeIsRefused) {
  start("statement");
  EXPECT_EQ(with_pooler("flashctl", {"db", "status"}).exit_code, 1);
}

TEST_F(Pooler, ThatTakesNoSettingsIsRefusedWithASentence) {
  declare();
  start("transaction", "");
  expect_refusals();
}

TEST_F(Pooler, InSessionModeServes) {
  start("session");
  const auto listed = with_pooler("flashctl", {"db", "status"});
  EXPECT_EQ(listed.exit_code, 0) << listed.out << listed.err;
  auto session = postgres::Session::connect(pooled_, "test");
  ASSERT_TRUE(session) << session.error().message;
  EXPECT_TRUE((*session)->ping());
}

}  // namespace
}  // namespace flashclaim::operations
