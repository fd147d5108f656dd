// Files with secrets: who may be able to open them, and that every reader of ours asks the same question.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <functional>

#include "engine/access/secret.h"
#include "engine/auth/keys.h"
#include "engine/base/environment.h"
#include "engine/base/secret_file.h"
#include "engine/http/tls.h"
#include "tests/harness/folder.h"

namespace flashclaim {
namespace {

class SecretFile : public testing::Test {
 protected:
  void write(std::string_view text, mode_t mode = 0600) {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << text;
    ASSERT_EQ(chmod(path_.c_str(), mode), 0);
  }
  std::string refusal(SecretFor readers) const {
    auto text = read_secret_file(path_, readers);
    auto checked = check_secret_file(path_, readers);
    EXPECT_EQ(text.has_value(), checked.has_value());
    if (text) return {};
    EXPECT_EQ(text.error().message, checked.error().message);
    EXPECT_EQ(text.error().message.find(path_), 0U) << "the error begins with the path: " << text.error().message;
    EXPECT_EQ(text.error().message.find("secret-text"), std::string::npos) << "it repeats the content";
    return text.error().message;
  }

  const std::string path_ = harness::run_folder() + "/secret";
};

TEST_F(SecretFile, IsReadAsItIs) {
  write("secret-text\nsecond\n");
  EXPECT_EQ(*read_secret_file(path_, SecretFor::kOwner), "secret-text\nsecond\n");
  write("");
  EXPECT_EQ(*read_secret_file(path_, SecretFor::kOwner), "");
  const std::string largest(1U << 20, 'x');
  write(largest);
  EXPECT_EQ(*read_secret_file(path_, SecretFor::kGroup), largest);
}

TEST_F(SecretFile, IsRefusedWhereTheWrongOnesCouldOpenIt) {
  for (const mode_t mode : {0604, 0602, 0644, 0666}) {
    write("secret-text", mode);
    EXPECT_NE(refusal(SecretFor::kOwner).find("chmod 600 " + path_), std::string::npos) << std::oct << mode;
    EXPECT_NE(refusal(SecretFor::kGroup).find("chmod 600 " + path_), std::string::npos) << std::oct << mode;
  }
  for (const mode_t mode : {0640, 0440, 0660, 0620}) {
    write("secret-text", mode);
    EXPECT_NE(refusal(SecretFor::kOwner).find("chmod 600 " + path_), std::string::npos) << std::oct << mode;
    EXPECT_EQ(refusal(SecretFor::kGroup), "") << std::oct << mode;
    ASSERT_EQ(chmod(path_.c_str(), 0600), 0);
  }
  for (const mode_t mode : {0600, 0400}) {
    write("secret-text", mode);
    EXPECT_EQ(refusal(SecretFor::kOwner), "") << std::oct << mode;
    ASSERT_EQ(chmod(path_.c_str(), 0600), 0);
  }
}

TEST_F(SecretFile, SaysWhyItCannotBeRead) {
  unlink(path_.c_str());
  EXPECT_NE(refusal(SecretFor::kGroup).find("No such file"), std::string::npos);
  write("\xEF\xBB\xBFsecret-text");
  EXPECT_NE(refusal(SecretFor::kGroup).find("byte order mark"), std::string::npos);
  write(std::string((1U << 20) + 1, 'x'));
  EXPECT_NE(refusal(SecretFor::kGroup).find("1 MiB"), std::string::npos);
  const std::string folder = path_ + "-folder";
  ASSERT_EQ(mkdir(folder.c_str(), 0700), 0);
  EXPECT_NE(read_secret_file(folder, SecretFor::kGroup).error().message.find("directory"), std::string::npos);
}

TEST_F(SecretFile, MayBeAPipe) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  ASSERT_EQ(::write(ends[1], "secret-text", 11), 11);
  close(ends[1]);
  auto text = read_secret_file("/proc/self/fd/" + std::to_string(ends[0]), SecretFor::kOwner);
  close(ends[0]);
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_EQ(*text, "secret-text");
}

TEST_F(SecretFile, IsJudgedAlikeByAllWhoReadOne) {
  const std::function<Result<void>()> readers[] = {
      [&]() -> Result<void> {
        auto keys = auth::load_keys(auth::Scheme::kGateway, path_);
        return keys ? Result<void>() : keys.error();
      },
      [&]() -> Result<void> {
        auto tls = http::TlsContext::load(path_, path_);
        return tls ? Result<void>() : tls.error();
      },
      [&]() -> Result<void> {
        auto url = require_env("SECRET_FILE_TEST_URL");
        return url ? Result<void>() : url.error();
      },
      [&]() -> Result<void> {
        auto password = access::read_password(path_);
        return password ? Result<void>() : password.error();
      },
  };
  const auto* of_owner = &readers[3];  // what we made ourselves
  setenv("SECRET_FILE_TEST_URL_FILE", path_.c_str(), 1);
  const auto open_to_wrong_ones = [](const Result<void>& read) {
    return !read && read.error().message.find("chmod 600") != std::string::npos;
  };
  for (const auto& read : readers) {
    write("# no key, no password\n", 0644);
    EXPECT_TRUE(open_to_wrong_ones(read())) << "reader " << &read - readers;
    write("# no key, no password\n", 0640);
    EXPECT_EQ(open_to_wrong_ones(read()), &read == of_owner) << "reader " << &read - readers;
    write("# no key, no password\n", 0600);
    EXPECT_FALSE(open_to_wrong_ones(read())) << "reader " << &read - readers;
  }
  unsetenv("SECRET_FILE_TEST_URL_FILE");
}

}  // namespace
}  // namespace flashclaim
