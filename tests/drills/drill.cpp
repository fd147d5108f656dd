// See drill.h.
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
  if (!mounted_)
    std::printf("UNTRIED: this machine lets nobody mount a small disk (a container?): no full disk is tried\n");
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

std::string Drill::operate(const std::vector<std::string>& arguments) const {
  const auto finished = harness::run_program("flashctl", arguments, environment_);
  std::string line;
  for (const std::string& word : arguments) line += " " + word;
  EXPECT_EQ(finished.exit_code, 0) << "flashctl" << line << "\n" << finished.out << finished.err;
  return finished.out;
}

harness::Crowd Drill::crowd(std::int64_t coupon, int per_second) const {
  harness::CrowdOptions options;
  options.ports = {http_port_};
  options.coupons = {coupon};
  options.users = 1'000'000;
  options.per_second = per_second;
  options.open_max = 500;
  return harness::Crowd(options);
}

void Drill::end(harness::Crowd& crowd, bool lost_allowed) {
  said_ = crowd.finish(300'000);
  EXPECT_EQ(said_.unlearnt, 0);
  EXPECT_EQ(said_.tally.unexpected, 0) << said_.tally.unexpected_example;
  await_rest();
  for (const auto coupon : coupons_)
    EXPECT_TRUE(wait_until([&] { return redis_number({"HGET", redis::CouponKeys(coupon).coupon, "suspect"}) == 0; }));
  admin::CheckOptions options;
  options.acknowledged = said_.acknowledged;
  options.told = said_.told;
  options.lost_allowed = lost_allowed;
  checked_ = expect_invariants(options);
}

}  // namespace flashclaim
