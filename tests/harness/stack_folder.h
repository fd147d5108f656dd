// A stack that a test starts as an operator does: by the script behind `make`, in a folder and on ports of its own.
#pragma once

#include <string>
#include <vector>

#include "tests/harness/process.h"
#include "tests/harness/raw_http.h"

namespace flashclaim::harness {

/// `make up` and its like in a folder of their own; down at the end. From the first `up` on its logs are looked after
/// (witness.h). Not for use by two threads at once.
class StackFolder {
 public:
  /// `door`: off or on. `folder` may lie anywhere; "" makes one.
  explicit StackFolder(std::string door = "off", std::string folder = "");
  ~StackFolder();
  StackFolder(const StackFolder&) = delete;
  StackFolder& operator=(const StackFolder&) = delete;

  /// stack.sh with a goal of make. A name in `changed` with an empty value is not set.
  Finished make(const std::string& goal, const Environment& changed = {});
  /// One line of a shell that has read .run/env.
  [[nodiscard]] Finished operate(const std::string& line) const;
  /// The same of one that must succeed, without its last line end.
  [[nodiscard]] std::string printed(const std::string& line) const;
  /// service.sh for one of its servers.
  void service(const std::string& verb, const std::string& kind, const std::vector<std::string>& words = {}) const;
  /// One request of a user as the door wants it: inside TLS and signed where it is on.
  [[nodiscard]] RawAnswer ask(const std::string& method, const std::string& path, const std::string& user,
                              const std::string& key = "") const;
  /// As door.sh prints them for curl. `path` without a query.
  [[nodiscard]] std::string signed_headers(const std::string& method, const std::string& path, const std::string& user,
                                           const std::string& key = "") const;
  /// To its engine, inside TLS where the door is on.
  [[nodiscard]] RawConnection connect() const;
  /// One claim of coupon 1 for each user, each accepted. AuthFilter off.
  void claim(int first_user, int count) const;
  /// Rows of coupon 1, as the database has them.
  [[nodiscard]] std::string rows() const;
  [[nodiscard]] std::string path(const std::string& name = "") const { return folder_ + "/" + name; }
  [[nodiscard]] int base() const { return base_; }
  [[nodiscard]] const std::string& door() const { return door_; }

 private:
  [[nodiscard]] std::vector<std::string> servers() const;
  void watch();

  std::string folder_;
  std::string door_;
  int base_;
  bool watched_ = false;
};

}  // namespace flashclaim::harness
