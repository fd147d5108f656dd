// What a drill is made of: the whole path, a crowd that goes on claiming, the operator's commands, a disk that can be
// full.
#pragma once

#include <csignal>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "tests/harness/crowd.h"
#include "tests/harness/whole_path.h"

namespace flashclaim {

/// A small file system (tmpfs) in place of a folder. Needs root or sudo without a password. The service in it is
/// stopped before it is made and before it goes.
class SmallDisk {
 public:
  SmallDisk(std::string folder, int megabytes);
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  /// False where the machine lets nobody mount: the drill cannot be held here, which the constructor says.
  [[nodiscard]] bool mounted() const { return mounted_; }
  void fill() const;  ///< to the last byte
  void free() const;

 private:
  std::string folder_;
  bool mounted_;
};

/// Entries of one coupon's stream that RabbitMQ has not confirmed, by Redis' own account.
struct Unmirrored {
  std::set<EntryId> unread;  ///< no mirror was ever given them
  std::set<EntryId> held;    ///< given to a mirror and not acknowledged: it may have published them

  [[nodiscard]] bool empty() const { return unread.empty() && held.empty(); }
  [[nodiscard]] bool contains(EntryId entry) const { return unread.contains(entry) || held.contains(entry); }
};
Unmirrored unmirrored(redis::Client& redis, std::int64_t coupon);
/// The same of a Redis that was killed, from a copy of its files.
Unmirrored unmirrored_at_death(const harness::PrivateRedis& dead, std::int64_t coupon);

/// Everything in the folder of a service that does not run.
void destroy(const harness::Service& service);

class Drill : public WholePath {
 protected:
  /// flashctl with the environment of the test; it must succeed. Returns what it printed.
  std::string operate(const std::vector<std::string>& arguments) const;
  /// Claims of a crowd until it is told to stop. A second crowd of a test needs another seed.
  [[nodiscard]] harness::Crowd crowd(std::int64_t coupon, int per_second = 300, std::uint64_t seed = 1) const;
  /// So many more claims are accepted.
  [[nodiscard]] static bool goes_on(const harness::Crowd& crowd, std::int64_t more = 200);
  /// The crowd ends; what it was told is added to said_.
  void leave(harness::Crowd& crowd);
  /// Everything comes to rest, and the checker is told all that was said.
  void judge(bool lost_allowed = false);
  /// The crowd leaves, then judge().
  void end(harness::Crowd& crowd, bool lost_allowed = false);
  /// The claims of the coupon that the database settled or refused.
  std::set<ClaimId> decided(std::int64_t coupon);
  /// The claims in said_ that are not among them and for which `matters` is true.
  std::set<ClaimId> missing_from(const std::set<ClaimId>& claims,
                                 const std::function<bool(const ClaimId&)>& matters) const;

  harness::CrowdReport said_;        ///< of every crowd that left
  operations::CheckReport checked_;  ///< after judge()
};

}  // namespace flashclaim
