// What the environment says: variables, the files that NAME_FILE names, colours.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>  // posix_openpt, setenv
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "engine/base/environment.h"
#include "tests/harness/folder.h"

namespace flashclaim {
namespace {

class Environment : public testing::Test {
 protected:
  void SetUp() override { TearDown(); }
  void TearDown() override {
    unsetenv("ENVIRONMENT_TEST");
    unsetenv("ENVIRONMENT_TEST_FILE");
  }
  void hold(std::string_view text) {
    std::ofstream(path_, std::ios::binary) << text;
    ASSERT_EQ(chmod(path_.c_str(), 0600), 0);
    setenv("ENVIRONMENT_TEST_FILE", path_.c_str(), 1);
  }
  const std::string path_ = harness::run_folder() + "/environment-test";
};

TEST_F(Environment, TakesAnEmptyVariableForNone) {
  EXPECT_EQ(env("ENVIRONMENT_TEST"), "");
  setenv("ENVIRONMENT_TEST", "", 1);
  EXPECT_EQ(env("ENVIRONMENT_TEST"), "");
  EXPECT_FALSE(has_env("ENVIRONMENT_TEST"));
  EXPECT_NE(require_env("ENVIRONMENT_TEST").error().message.find("make up"), std::string::npos);
  setenv("ENVIRONMENT_TEST", "redis://here", 1);
  EXPECT_TRUE(has_env("ENVIRONMENT_TEST"));
  EXPECT_EQ(*require_env("ENVIRONMENT_TEST"), "redis://here");
}

TEST_F(Environment, TakesTheFirstLineOfTheFileWhereTheVariableIsNotSet) {
  hold("redis://in-file\nnot this\n");
  EXPECT_TRUE(has_env("ENVIRONMENT_TEST"));
  EXPECT_EQ(*require_env("ENVIRONMENT_TEST"), "redis://in-file");
  hold("redis://without-line-end");
  EXPECT_EQ(*require_env("ENVIRONMENT_TEST"), "redis://without-line-end");
  setenv("ENVIRONMENT_TEST", "redis://first", 1);
  EXPECT_EQ(*require_env("ENVIRONMENT_TEST"), "redis://first");
}

TEST_F(Environment, NamesVariableAndFileWhereTheFileGivesNothing) {
  hold("");
  const auto says = [](std::string_view what) {
    const std::string error = require_env("ENVIRONMENT_TEST").error().message;
    return error.starts_with("ENVIRONMENT_TEST_FILE: /") && error.find(what) != std::string::npos;
  };
  EXPECT_TRUE(says("is empty"));
  hold("\nsecond line");
  EXPECT_TRUE(says("is empty"));
  setenv("ENVIRONMENT_TEST_FILE", "/nowhere", 1);
  EXPECT_TRUE(says("No such file"));
}

TEST_F(Environment, AllowsColoursOnATerminalUnlessNoColorIsSet) {
  const std::string before = env("NO_COLOR");
  const int terminal = posix_openpt(O_RDWR | O_NOCTTY);
  ASSERT_GE(terminal, 0);
  const int file = open("/dev/null", O_WRONLY | O_CLOEXEC);
  unsetenv("NO_COLOR");
  EXPECT_TRUE(may_colour(terminal));
  EXPECT_FALSE(may_colour(file));
  setenv("NO_COLOR", "", 1);
  EXPECT_TRUE(may_colour(terminal));
  setenv("NO_COLOR", "1", 1);
  EXPECT_FALSE(may_colour(terminal));
  before.empty() ? unsetenv("NO_COLOR") : setenv("NO_COLOR", before.c_str(), 1);
  close(terminal);
  close(file);
}

}  // namespace
}  // namespace flashclaim
