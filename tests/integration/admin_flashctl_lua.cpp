// flashctl lua: loads, verifies, never downgrades silently, rolls back.
#include <filesystem>
#include <fstream>

#include "engine/redis/library.h"
#include "tests/harness/folder.h"
#include "tests/integration/admin_flashctl.h"

namespace flashclaim::operations {
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

/// A library that was changed under the same VERSION: the engines that run would become not ready.
TEST_F(FlashctlLua, NeverReplacesAnotherTextOfTheSameVersionSilently) {
  std::string code(kLuaLibrary.code);
  const std::string stamp = "LIBRARY_HASH = '" + std::string(kLuaLibrary.hash) + "'";
  ASSERT_NE(code.find(stamp), code.npos);
  code.replace(code.find(stamp), stamp.size(), "LIBRARY_HASH = '0123456789abcdef'");
  redis_raw({"FUNCTION", "LOAD", "REPLACE", code});
  expect_exit(4, {"lua", "load", "--yes"});
  EXPECT_NE(last_.err.find("lua/VERSION"), std::string::npos) << last_.err;
  expect_exit(4, {"lua", "load", "--dry-run"});
  expect_exit(2, {"lua", "load", "--downgrade"});
  expect_exit(6, {"lua", "verify"});
  expect_exit(0, {"lua", "load", "--downgrade", "--yes"});
  expect_exit(0, {"lua", "verify"});
}

/// A project of its own that has nothing but the library.
class LuaBuild : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = harness::run_folder() + "/lua-build";
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    std::filesystem::copy(harness::source_dir() + "/lua", folder_ + "/lua");
    write("CMakeLists.txt",
          "cmake_minimum_required(VERSION 3.25)\nproject(x LANGUAGES NONE)\ninclude(lua/assemble.cmake)\n");
  }
  void write(const std::string& file, const std::string& text) const { std::ofstream(folder_ + "/" + file) << text; }
  [[nodiscard]] harness::Finished build() const {
    return harness::run_program("/usr/bin/cmake", {"-S", folder_, "-B", folder_ + "/build"});
  }
  std::string folder_;
};

TEST_F(LuaBuild, RefusesAnotherTextOfAVersionThatWasReleased) {
  const auto record = [&](int version, std::string_view hash) {
    write("lua/RELEASED", std::to_string(version) + " " + std::string(hash) + "\n");
  };
  EXPECT_EQ(build().exit_code, 0) << build().err;
  record(kLuaLibrary.version, kLuaLibrary.hash);
  EXPECT_EQ(build().exit_code, 0) << "the text that was released";
  std::ofstream(folder_ + "/lua/80_views.lua", std::ios::app) << "-- changed\n";
  const auto changed = build();
  EXPECT_NE(changed.exit_code, 0);
  EXPECT_NE(changed.err.find("lua/VERSION"), std::string::npos) << changed.err;
  write("lua/VERSION", std::to_string(kLuaLibrary.version + 1) + "\n");
  EXPECT_EQ(build().exit_code, 0) << "raised";
  write("lua/VERSION", std::to_string(kLuaLibrary.version - 1) + "\n");
  EXPECT_NE(build().exit_code, 0) << "lowered";
  write("lua/RELEASED", "three abc\n3\n");
  EXPECT_NE(build().exit_code, 0) << "a line that is none";
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
}  // namespace flashclaim::operations
