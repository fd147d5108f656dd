// Fills and frees the small disk, runs the operator's commands, and judges the books at the end.
#include "tests/drills/drill.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>

namespace flashclaim {
namespace {

/// As root, or by sudo that asks for nothing.
int as_root(std::vector<std::string> words) {
  std::string program = "/usr/bin/sudo";
  if (geteuid() == 0) {
    program = words.front();
    words.erase(words.begin());
  } else {
    words.insert(words.begin(), "-n");
  }
  return harness::run_program(program, words).exit_code;
}

}  // namespace

SmallDisk::SmallDisk(std::string folder, int megabytes) : folder_(std::move(folder)) {
  const auto mode = "mode=0777,size=" + std::to_string(megabytes) + "m";
  mounted_ = as_root({"/usr/bin/mount", "-t", "tmpfs", "-o", mode, "flashclaim-drill", folder_}) == 0;
  if (!mounted_) std::printf("UNTRIED: no full disk, for this machine lets nobody mount a small one (a container?)\n");
}

SmallDisk::~SmallDisk() {
  if (mounted_) as_root({"/usr/bin/umount", "-l", folder_});
}

void SmallDisk::fill() const {
  static constexpr std::array<char, 4096> kPage{};
  const int file = open((folder_ + "/filler").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  ASSERT_GE(file, 0);
  for (std::size_t size : {kPage.size(), std::size_t{1}}) {
    while (write(file, kPage.data(), size) > 0) {
    }
  }
  close(file);
}

void SmallDisk::free() const { std::filesystem::remove(folder_ + "/filler"); }

Unmirrored unmirrored(redis::Client& redis, std::int64_t coupon) {
  const redis::CouponKeys keys(coupon);
  const std::string group(redis::kMirrorGroup);
  Unmirrored found;
  const auto groups = redis.command({"XINFO", "GROUPS", keys.claims}).value();
  std::string read;
  for (std::size_t i = 0; i + 1 < groups[0].size(); i += 2) {
    if (groups[0][i].text() == "last-delivered-id") read = groups[0][i + 1].text();
  }
  const auto unread = redis.command({"XRANGE", keys.claims, "(" + read, "+"}).value();
  for (std::size_t i = 0; i < unread.size(); ++i) found.unread.insert(parse_entry_id(unread[i][0].text()).value());
  const auto held = redis.command({"XPENDING", keys.claims, group, "-", "+", "1000000"}).value();
  for (std::size_t i = 0; i < held.size(); ++i) found.held.insert(parse_entry_id(held[i][0].text()).value());
  return found;
}

Unmirrored unmirrored_at_death(const harness::PrivateRedis& dead, std::int64_t coupon) {
  harness::PrivateRedis copy;
  copy.stop();
  destroy(copy);
  std::filesystem::copy(dead.folder() + "/appendonlydir", copy.folder() + "/appendonlydir");
  copy.start();
  auto client = redis::Client::connect(copy.url(), std::chrono::seconds(60)).value();
  return unmirrored(client, coupon);
}

void destroy(const harness::Service& service) {
  for (const auto& entry : std::filesystem::directory_iterator(service.folder()))
    std::filesystem::remove_all(entry.path());
}

std::string Drill::operate(const std::vector<std::string>& arguments) const {
  const auto finished = harness::run_program("flashctl", arguments, environment_);
  std::string line;
  for (const std::string& word : arguments) line += " " + word;
  EXPECT_EQ(finished.exit_code, 0) << "flashctl" << line << "\n" << finished.out << finished.err;
  return finished.out;
}

harness::Crowd Drill::crowd(std::int64_t coupon, int per_second, std::uint64_t seed) const {
  harness::CrowdOptions options;
  options.ports = {http_port_};
  options.coupons = {coupon};
  options.users = 1'000'000;
  options.per_second = per_second;
  options.open_max = 500;
  options.seed = seed;
  return harness::Crowd(options);
}

bool Drill::goes_on(const harness::Crowd& crowd, std::int64_t more) {
  const auto accepted = crowd.accepted();
  return wait_until([&] { return crowd.accepted() >= accepted + more; });
}

void Drill::leave(harness::Crowd& crowd) {
  const auto said = crowd.finish(300'000);
  EXPECT_EQ(said.unlearnt, 0);
  EXPECT_EQ(said.tally.unexpected, 0) << said.tally.unexpected_example;
  said_.acknowledged.insert(said_.acknowledged.end(), said.acknowledged.begin(), said.acknowledged.end());
  said_.told.insert(said_.told.end(), said.told.begin(), said.told.end());
}

void Drill::end(harness::Crowd& crowd, bool lost_allowed) {
  leave(crowd);
  judge(lost_allowed);
}

void Drill::judge(bool lost_allowed) {
  await_rest();
  for (const auto coupon : coupons_)
    EXPECT_TRUE(wait_until([&] { return redis_number({"HGET", redis::CouponKeys(coupon).coupon, "suspect"}) == 0; }));
  operations::CheckOptions options;
  options.acknowledged = said_.acknowledged;
  options.told = said_.told;
  options.lost_allowed = lost_allowed;
  checked_ = expect_invariants(options);
}

std::set<ClaimId> Drill::decided(std::int64_t coupon) {
  const auto all = postgres::list_claims(pg(), {coupon, 0, {0, 0}, 0}, 10'000'000).value();
  std::set<ClaimId> ids;
  for (const auto& claim : all) ids.insert(claim.id);
  return ids;
}

std::set<ClaimId> Drill::missing_from(const std::set<ClaimId>& claims,
                                      const std::function<bool(const ClaimId&)>& matters) const {
  std::set<ClaimId> missing;
  for (const auto& told : said_.acknowledged) {
    if (!claims.contains(told.claim) && matters(told.claim)) missing.insert(told.claim);
  }
  return missing;
}

}  // namespace flashclaim
