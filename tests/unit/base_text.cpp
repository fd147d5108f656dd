// Text from outside: what a person may be shown of it, and marks that an editor has put in front of a file.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <functional>

#include "bench/receipts.h"
#include "engine/access/secret.h"
#include "engine/auth/keys.h"
#include "engine/base/environment.h"
#include "engine/base/text.h"
#include "engine/cli/output.h"
#include "engine/http/tls.h"
#include "tests/harness/folder.h"

namespace flashclaim {
namespace {

// RIGHT-TO-LEFT OVERRIDE and ISOLATE, separators, zero width space, byte order mark, controls of three kinds.
const char* const kCommands[] = {"\u202e", "\u202a", "\u202c", "\u2066", "\u2067", "\u2069",
                                 "\u2028", "\u2029", "\u200b", "\ufeff", "\u0085", "\u009b",
                                 "\x1b",   "\x7f",   "\n",     "\t",     "\r"};

TEST(ShownText, HidesWhatATerminalWouldObey) {
  for (const char* command : kCommands) EXPECT_EQ(shown("a" + std::string(command) + "b"), "a?b");
  for (const char* kept : {"Sale", "Café", "\u4f18\u60e0\u5238", "\u062d\u0633\u0645", "\u05de\u05d1\u200f!",
                           "\U0001F468\u200d\U0001F469"})
    EXPECT_EQ(shown(kept), kept);
  EXPECT_EQ(shown("\xff\xc3"), "??");
  EXPECT_EQ(shown("two\nlines\x1b", '\n'), "two\nlines?");
}

TEST(ShownText, IsWhatTablesPrintWhileJsonStaysExact) {
  for (const char* command : kCommands) {
    const auto cell = cli::Cell::text("a" + std::string(command) + "b");
    EXPECT_EQ(cell.plain(), "a?b");
    EXPECT_EQ(cell.json().find(command), std::string::npos) << "a terminal would obey it";
    EXPECT_EQ(cell.json().find("\"a\\u"), 0U) << "and a parser reads it back: " << cell.json();
  }
  EXPECT_EQ(cli::Cell::text("\u202e").json(), "\"\\u202e\"");
}

TEST(ByteOrderMark, IsNamedInEveryTextThatWeRead) {
  const std::string path = harness::run_folder() + "/marked";
  const std::function<std::string()> readers[] = {
      [&] { return bench::read_receipts(path).error().message; },
      [&] { return access::read_password(path).error().message; },
      [&] { return auth::load_keys(auth::Scheme::kJwt, path).error().message; },
      [&] { return http::TlsContext::load(path, path).error().message; },
      [&] { return require_env("MARKED_URL").error().message; },
  };
  setenv("MARKED_URL_FILE", path.c_str(), 1);
  for (const std::string& mark : {std::string("\xEF\xBB\xBF"), std::string("\xFF\xFE"), std::string("\xFE\xFF")}) {
    std::ofstream(path) << mark << "user_id,coupon_id,date_received\n1,2,20160701\n";
    chmod(path.c_str(), 0600);
    for (const auto& read : readers) {
      const std::string error = read();
      EXPECT_NE(error.find("byte order mark"), std::string::npos) << error;
      EXPECT_NE(error.find(path), std::string::npos) << error;
    }
  }
  unsetenv("MARKED_URL_FILE");
  setenv("MARKED_URL", "\xEF\xBB\xBFredis://localhost:1/0", 1);
  EXPECT_NE(require_env("MARKED_URL").error().message.find("byte order mark"), std::string::npos);
  unsetenv("MARKED_URL");
}

}  // namespace
}  // namespace flashclaim
