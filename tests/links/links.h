// The links of the product and what can go wrong on each; the programs of this suite, each of whose services it reaches
// through a gate of its own.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/harness/gate.h"
#include "tests/harness/whole_path.h"
#include "tests/links/witnesses.h"

namespace flashclaim::links {

enum class Link {
  kEngineRedis,
  kMirrorRedis,
  kMirrorRabbit,
  kConsumerRedis,
  kConsumerRabbit,
  kConsumerPostgres,
};
inline constexpr int kLinks = static_cast<int>(Link::kConsumerPostgres) + 1;

/// The product answers within 5 s: 2 before a claim leaves for Redis, 3 for Redis' answer. Twice that, because the
/// machine is shared: what takes longer hangs.
inline constexpr std::int64_t kAnswerMaxMs = 10'000;

struct LinkFacts {
  std::string_view name;
  std::string_view dependency;  ///< as /readyz calls it
  bool required;                ///< without it the process says that it is not ready
};
const LinkFacts& facts(Link link);

/// Three processes that live as long as the suite, one database, one vhost, one Redis; a coupon per test. A program
/// that a test killed or made fail is started anew for the next one.
class LinksTest : public WholePath {
 protected:
  void SetUp() override;
  void TearDown() override;

  static harness::Gate& gate(Link link);
  /// The admin listener of the program at the near end of the link.
  static int admin_port(Link link);
  static harness::Process& program(Link link);
  /// After its end: the same program, in the middle of a test.
  void start_again(Link link);
  /// Its /readyz: status, and whether it names the link's dependency as the one that is not well.
  static bool says_broken(Link link);
  static bool all_ready();
  /// The value of a line of its /metrics, 0 when it is not there.
  static double metric(Link link, const std::string& name_and_labels);
  [[nodiscard]] static std::int64_t resident_kib(Link link);
  /// The most that was resident since forget_peak(), or since its start where the kernel cannot forget.
  [[nodiscard]] static std::int64_t peak_kib(Link link);
  static void forget_peak(Link link);

  /// Ends what a test began: no answer took longer than kAnswerMaxMs, unknown claims are asked about, everything comes
  /// to rest, every store agrees with all that was told, nothing more than that is in the database.
  void expect_restored(Witnesses& witnesses, const std::string& what);
  /// Everything comes to rest, every store agrees with what was told; how many claims are settled.
  std::int64_t expect_all_settled(const std::vector<operations::Acknowledged>& acknowledged);

 private:
  void start_suite();
  void start_programs_through_gates();
  void start_engine();
  void start_mirror();
  void start_consumer();
  void use_gate(Link link, const char* name);
  /// A line of its /proc/<pid>/status.
  [[nodiscard]] static std::int64_t status_kib(Link link, std::string_view line);
  struct Programs;
  static std::unique_ptr<Programs>& programs();
};

}  // namespace flashclaim::links
