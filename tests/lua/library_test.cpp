// Loading the library: repeatable, never a silent downgrade, and what a server has can be compared byte for byte.
#include "tests/lua/fixture.h"

namespace flashclaim {

class Library : public LuaTest {
 protected:
  void SetUp() override {
    LuaTest::SetUp();
    ASSERT_EQ(command({"FUNCTION", "FLUSH"}), "OK");
  }
  /// A library of that version that is good enough to be loaded.
  std::string text(int version, const std::string& hash) {
    return "#!lua name=flashclaim\nlocal LIBRARY_VERSION = '" + std::to_string(version) + "'\nlocal LIBRARY_HASH = '" +
           hash +
           "'\nredis.register_function{function_name = 'flashclaim_version', flags = {'no-writes'}, callback = "
           "function() "
           "return {LIBRARY_VERSION, LIBRARY_HASH} end}\n";
  }
  redis::LoadOutcome load(const LuaLibrary& library, bool downgrade = false) {
    auto outcome = redis::load_library(client(), library, downgrade);
    EXPECT_TRUE(outcome) << outcome.error().message;
    return *outcome;
  }
};

TEST_F(Library, IsAbsentAtFirst) {
  const auto loaded = redis::loaded_library(client());
  ASSERT_TRUE(loaded);
  EXPECT_FALSE(loaded->has_value());
  EXPECT_FALSE(*redis::verify_library(client(), kLuaLibrary));
  EXPECT_FALSE(redis::loaded_code(client())->has_value());
  EXPECT_TRUE(redis::loaded_functions(client())->empty());
}

TEST_F(Library, LoadsOnceAndIsWhatWasAssembled) {
  EXPECT_EQ(load(kLuaLibrary), redis::LoadOutcome::kLoaded);
  EXPECT_EQ(load(kLuaLibrary), redis::LoadOutcome::kUnchanged);
  const auto loaded = redis::loaded_library(client());
  ASSERT_TRUE(loaded && loaded->has_value());
  EXPECT_EQ((*loaded)->version, kLuaLibrary.version);
  EXPECT_EQ((*loaded)->hash, kLuaLibrary.hash);
  EXPECT_TRUE(*redis::verify_library(client(), kLuaLibrary));
  const auto stamp = redis::stamp_of(kLuaLibrary.code);
  ASSERT_TRUE(stamp);
  EXPECT_EQ(stamp->version, kLuaLibrary.version);
  EXPECT_EQ(stamp->hash, kLuaLibrary.hash);
}

TEST_F(Library, ReplacesAnOlderOneAndNeverSilentlyANewerOneOrAnotherText) {
  const auto newer = text(kLuaLibrary.version + 1, "aaaa");
  const auto same = text(kLuaLibrary.version, "bbbb");
  const auto older = text(0, "cccc");
  EXPECT_EQ(load({0, "cccc", older}), redis::LoadOutcome::kLoaded);
  EXPECT_EQ(load({kLuaLibrary.version, "bbbb", same}), redis::LoadOutcome::kLoaded);
  EXPECT_EQ(load(kLuaLibrary), redis::LoadOutcome::kOtherText) << "two builds with one version: which is right?";
  EXPECT_EQ(*redis::loaded_code(client()), same);
  EXPECT_EQ(load(kLuaLibrary, true), redis::LoadOutcome::kReplaced);
  EXPECT_EQ(load({kLuaLibrary.version + 1, "aaaa", newer}), redis::LoadOutcome::kLoaded);
  EXPECT_EQ(load(kLuaLibrary), redis::LoadOutcome::kNewer);
  EXPECT_EQ(*redis::loaded_code(client()), newer);
  EXPECT_EQ(load(kLuaLibrary, true), redis::LoadOutcome::kLoaded);
  EXPECT_TRUE(*redis::verify_library(client(), kLuaLibrary));
}

TEST_F(Library, KeepsTheOldOneWhenTheNewOneDoesNotLoad) {
  ASSERT_EQ(load(kLuaLibrary), redis::LoadOutcome::kLoaded);
  const auto broken = text(kLuaLibrary.version + 1, "dddd") + "this is no Lua";
  EXPECT_FALSE(redis::load_library(client(), {kLuaLibrary.version + 1, "dddd", broken}));
  EXPECT_TRUE(*redis::verify_library(client(), kLuaLibrary));
}

TEST_F(Library, StampsNothingIntoAForeignText) {
  EXPECT_FALSE(redis::stamp_of("#!lua name=flashclaim\n"));
  EXPECT_FALSE(redis::stamp_of("\nlocal LIBRARY_VERSION = 'x'\nlocal LIBRARY_HASH = 'y'\n"));
}

TEST_F(Library, SurvivesARestartWithTheData) {
  harness::PrivateRedis server;
  {
    auto before = connect_to(server.url());
    ASSERT_TRUE(redis::load_library(before, kLuaLibrary));
    ASSERT_TRUE(redis::mark_ready(before));
  }
  server.kill();
  server.start();
  auto after = connect_to(server.url());
  EXPECT_TRUE(*redis::verify_library(after, kLuaLibrary));
  EXPECT_EQ(shown(after.command({"EXISTS", redis::kReady})->view()), "1");
}

}  // namespace flashclaim
