// What a drill is made of: the whole path, a crowd that goes on claiming, the operator's commands, a disk that can be
// full.
#pragma once

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

class Drill : public WholePath {
 protected:
  /// flashctl with the environment of the test; it must succeed. Returns what it printed.
  std::string operate(const std::vector<std::string>& arguments) const;
  /// Claims of a crowd until it is told to stop; the total is never reached.
  [[nodiscard]] harness::Crowd crowd(std::int64_t coupon, int per_second = 300) const;
  /// The crowd ends, everything comes to rest, and the checker is told all that the crowd was told.
  void end(harness::Crowd& crowd, bool lost_allowed = false);

  harness::CrowdReport said_;   ///< after end()
  admin::CheckReport checked_;  ///< after end()
};

}  // namespace flashclaim
