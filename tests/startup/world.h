// A stack, and a single service, that tests start as an operator does: by the scripts behind `make`.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/harness/process.h"
#include "tests/harness/stack_folder.h"

namespace flashclaim {

using harness::StackFolder;

/// The content of a file without its last line end; "" when there is none.
std::string content_of(const std::string& path);
/// Afterwards the file is there and empty, as a power cut leaves one that was never synced.
void empty(const std::string& path);
/// Every descendant of this process and of init that works below `folder`: what a stack there has started.
std::vector<int> processes_below(const std::string& folder);

/// One server, by tests/stack/service.sh, in a folder of its own; killed at the end.
class ServiceFolder {
 public:
  /// `folder` may lie anywhere; "" makes one.
  explicit ServiceFolder(std::string kind, std::string folder = "");
  ~ServiceFolder();
  ServiceFolder(const ServiceFolder&) = delete;
  ServiceFolder& operator=(const ServiceFolder&) = delete;

  [[nodiscard]] harness::Finished run(const std::string& verb, const harness::Environment& environment = {}) const;
  [[nodiscard]] std::string path(const std::string& name = "") const { return folder_ + "/" + name; }
  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] int pid() const;

 private:
  std::string kind_;
  std::string folder_;
  int port_;
};

/// The tests of one stack, door off, which is up when each of them begins.
class StackTest : public ::testing::Test {
 protected:
  void SetUp() override { up(); }
  static StackFolder& stack();
  /// `make up`, which must succeed; what it said.
  static std::string up(const harness::Environment& changed = {});
  /// `make up`, which must fail and say `words`; what it said.
  static std::string refused(const std::string& words, const harness::Environment& changed = {});
};

}  // namespace flashclaim
