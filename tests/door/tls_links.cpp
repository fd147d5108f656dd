// RabbitMQ and PostgreSQL over TLS, each behind a gate: claims become rows whatever happens in the middle of a record,
// and a certificate that changed is learnt without a restart.
#include <gtest/gtest.h>

#include "engine/amqp/topology.h"
#include "tests/harness/folder.h"
#include "tests/harness/gate.h"
#include "tests/harness/whole_path.h"

namespace flashclaim {
namespace {

using harness::CertificateAuthority;
using harness::Gate;
using harness::GateMode;

class TlsLinks : public WholePath {
 protected:
  void SetUp() override {
    WholePath::SetUp();
    rabbit_url_ = rabbit_.fresh_vhost();
    use("AMQP_URL", rabbit_gate_.through(rabbit_url_));
    use("PG_URL", postgres_gate_.through(postgres_.migrated_database()));
    ASSERT_TRUE(amqp::declare_topology(admin_amqp()));
    start_programs();
  }
  void await_rows(std::int64_t coupon, std::int64_t rows) {
    EXPECT_TRUE(wait_until([&] { return counts(coupon).rows == rows; }, std::chrono::seconds(300)))
        << counts(coupon).rows << " of " << rows;
  }

  CertificateAuthority authority_{harness::run_folder(), "links-ca"};
  harness::PrivateRabbit rabbit_{{.tls = harness::ServerTls{authority_.issue("links-rabbit"), authority_.path()}}};
  harness::PrivatePostgres postgres_{{.tls = harness::ServerTls{authority_.issue("links-pg"), authority_.path()}}};
  Gate rabbit_gate_{rabbit_.port()};
  Gate postgres_gate_{postgres_.port()};
  std::string rabbit_url_;
};

TEST_F(TlsLinks, HealAndLearnANewCertificate) {
  const auto coupon = open_coupon(1000, 1);
  ASSERT_TRUE(wait_until([&] { return claim(coupon, 500).status == 202; }));
  await_rows(coupon, 1);
  struct {
    GateMode mode;
    std::int64_t amount;
  } const faults[] = {{GateMode::kRefuse, 0}, {GateMode::kClose, 0}, {GateMode::kCut, 100},
                      {GateMode::kCut, 1500}, {GateMode::kStall, 0}, {GateMode::kCorrupt, 50}};
  std::int64_t rows = 1;
  for (const auto& fault : faults) {
    rabbit_gate_.set(fault.mode, fault.amount);
    postgres_gate_.set(fault.mode, fault.amount);
    accept(coupon, rows, rows + 19);
    rabbit_gate_.pass();
    postgres_gate_.pass();
    rows += 20;
    await_rows(coupon, rows);
  }
  // The broker shows a certificate of another authority, which the programs do not know yet.
  const CertificateAuthority next(harness::run_folder(), "links-next-ca");
  rabbit_.use({next.issue("links-rabbit-next"), authority_.path()});
  rabbit_gate_.set(GateMode::kCut, 0);
  accept(coupon, rows, rows + 19);
  EXPECT_TRUE(wait_until([&] { return engine_->output().find("no authority that is trusted") != std::string::npos; }));
  rabbit_.use({next.issue("links-rabbit-next"), next.path()});
  await_rows(coupon, rows + 20);
  await_rest();
  expect_invariants();
}

}  // namespace
}  // namespace flashclaim
