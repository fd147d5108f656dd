// flashctl lua: loads, verifies, never downgrades silently, rolls back.
#include "engine/redis/library.h"
#include "tests/integration/admin_flashctl.h"

namespace flashclaim::admin {
namespace {

/// These replace the library, and put it back.
class FlashctlLua : public Flashctl {
 protected:
  void TearDown() override {
    redis_raw({"FUNCTION", "FLUSH"});
    ASSERT_TRUE(redis::load_library(redis(), kLuaLibrary));
  }
  /// Loads this build's library under another version.
  void load_version(int version) {
    std::string code(kLuaLibrary.code);
    const std::string stamp = "LIBRARY_VERSION = '" + std::to_string(kLuaLibrary.version) + "'";
    const auto at = code.find(stamp);
    ASSERT_NE(at, code.npos);
    code.replace(at, stamp.size(), "LIBRARY_VERSION = '" + std::to_string(version) + "'");
    redis_raw({"FUNCTION", "LOAD", "REPLACE", code});
  }
  int version() {
    const auto loaded = redis::loaded_library(redis());
    return loaded && loaded->has_value() ? (*loaded)->version : -1;
  }
};

TEST_F(FlashctlLua, LoadsOnceAndVerifies) {
  redis_raw({"FUNCTION", "FLUSH"});
  expect_exit(4, {"lua", "verify"});
  expect_exit(4, {"lua", "diff"});
  expect_exit(0, {"lua", "load", "--output", "json"});
  EXPECT_EQ(json(last_.out, "changed"), "true");
  expect_exit(0, {"lua", "load", "--output", "json"});
  EXPECT_EQ(json(last_.out, "changed"), "false");
  expect_exit(0, {"lua", "verify"});
  expect_exit(0, {"lua", "diff"});
}

TEST_F(FlashctlLua, NeverReplacesANewerOneSilently) {
  const int ours = kLuaLibrary.version;
  load_version(ours + 1);
  expect_exit(4, {"lua", "load"});
  expect_exit(4, {"lua", "load", "--yes"});
  expect_exit(6, {"lua", "verify"});
  expect_exit(6, {"lua", "diff", "--output", "json"});
  EXPECT_EQ(json(last_.out, "changes,0,side"), "-");
  expect_exit(2, {"lua", "load", "--downgrade"});
  EXPECT_EQ(version(), ours + 1);
  expect_exit(0, {"lua", "load", "--downgrade", "--yes"});
  EXPECT_EQ(version(), ours);
}

TEST_F(FlashctlLua, RollsBackAndForth) {
  const int ours = kLuaLibrary.version;
  expect_exit(4, {"lua", "rollback", "--yes"});
  load_version(ours + 1);
  expect_exit(0, {"lua", "load", "--downgrade", "--yes"});
  expect_exit(2, {"lua", "rollback"});
  expect_exit(0, {"lua", "rollback", "--yes"});
  EXPECT_EQ(version(), ours + 1);
  expect_exit(0, {"lua", "rollback", "--yes"});
  EXPECT_EQ(version(), ours);
  expect_exit(0, {"lua", "verify"});
}

TEST_F(FlashctlLua, ReplacesATextThatWasTamperedWith) {
  redis_raw({"FUNCTION", "LOAD", "REPLACE", std::string(kLuaLibrary.code) + "\n-- tampered"});
  expect_exit(6, {"lua", "verify"});
  expect_exit(0, {"lua", "load"});
  expect_exit(0, {"lua", "verify"});
}

}  // namespace
}  // namespace flashclaim::admin
