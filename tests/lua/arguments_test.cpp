// Malformed calls: every prefix of the keys and arguments of every function, one too many, and garbage in every place.
#include <algorithm>

#include "tests/lua/worlds.h"

namespace flashclaim {

namespace {

using Words = std::vector<std::string>;
using namespace std::string_literals;

/// What is no valid argument of a kind: n number >= 1, z number >= 0, s signed, m milliseconds, i id, e entry id, w
/// status, h checksum, f flag, t text, r refusal, c claim.
Words garbage(char kind) {
  Words numbers{"", " 1", "1 ", "+1", "01", "0x10", "1e1", "1.0", "abc", "-0", "--1", "1\n", "1\0"s, "\0"s, "nan"};
  const auto add = [&](std::initializer_list<const char*> more) {
    numbers.insert(numbers.end(), more.begin(), more.end());
  };
  switch (kind) {
    case 'n':
      add({"0", "-1", "1000000000000000", "18446744073709551617"});
      return numbers;
    case 'z':
      add({"-1", "1000000000000000", "18446744073709551617"});
      return numbers;
    case 's':
      add({"1000000000000000", "-1000000000000000", "-01", "- 1"});
      return numbers;
    case 'm':
      add({"0", "-1", "1700000000", "1700000000000000"});
      return numbers;
    case 'i':
      add({"0", "-1", "9223372036854775808", "10000000000000000000"});
      return numbers;
    case 'e':
      return {"", "5", "5-", "-5", "05-0", "5-00", "5-0-0", "a-b", "9223372036854775808-0", "*", "+", "5-*", " 5-0"};
    case 'w':
      return {"", "open", "ISSUING", "loading", "issuing "};
    case 'h':
      return {"", "0123456789abcde", "0123456789abcdef0", "0123456789abcdeg", "0123456789abcde ", "0x23456789abcdef"};
    case 'f':
      return {"", "2", "00", "true", "-1"};
    case 'r':
      return {"",          "0",          "0=",          "=rejected",   "00=rejected",
              "0=settled", "0=REJECTED", "-1=rejected", "0=rejected ", "0=x"};
    case 'c':
      return {"",
              "0",
              "07",
              "+7",
              "7:",
              ":k",
              "7:k:",
              "7:a b",
              "7:" + std::string(65, 'k'),
              "9223372036854775808",
              "7\n",
              "7\0"s,
              "-7",
              "7.0",
              "7:\xff"};
    default:
      return {};
  }
}

}  // namespace

class MalformedCall : public LuaWorldTest {
 protected:
  void refused(const Call& call, const Words& key_list, const Words& args) {
    const auto reply = LuaTest::call(call.function, key_list, args);
    EXPECT_EQ(error_code(reply), "ARGUMENT")
        << call.function << " with " << key_list.size() << " keys, " << args.size() << " arguments: " << reply;
  }
};

TEST_F(MalformedCall, EveryPrefixOfEveryFunctionIsRefusedAndChangesNothing) {
  for (const auto& call : all_calls()) {
    build(call.world);
    const auto before = picture();
    auto key_list = key_names(call);
    auto args = arguments(call);
    for (std::size_t n = 0; n < (call.keys_least == 0 ? key_list.size() : call.keys_least); ++n) {
      const Words fewer(key_list.begin(), key_list.begin() + static_cast<std::ptrdiff_t>(n));
      refused(call, fewer, args);
      refused(call, fewer, {});
    }
    for (std::size_t n = 0; n < args.size(); ++n) {
      if (!call.fits || !call.fits(n)) {
        refused(call, key_list, Words(args.begin(), args.begin() + static_cast<std::ptrdiff_t>(n)));
      }
    }
    if (call.keys_least == 0) {
      auto more_keys = key_list;
      more_keys.push_back(keys.stock);
      refused(call, more_keys, args);
    }
    if (!call.fits || !call.fits(args.size() + 1)) {
      auto more_args = args;
      more_args.emplace_back("1");
      refused(call, key_list, more_args);
    }
    EXPECT_EQ(picture(), before) << call.function;
    const auto reply = run(call);
    EXPECT_EQ(error_code(reply), "") << call.function << ": " << reply;
    EXPECT_EQ(reply.substr(0, call.reply.size()), call.reply) << call.function;
  }
}

TEST_F(MalformedCall, GarbageInEveryPlaceIsRefusedAndChangesNothing) {
  for (const auto& call : all_calls()) {
    build(call.world);
    const auto before = picture();
    const auto key_list = key_names(call);
    ASSERT_EQ(call.kinds.size(), call.args.size()) << call.function;
    for (std::size_t i = 0; i < call.args.size(); ++i) {
      for (const auto& wrong : garbage(call.kinds[i])) {
        auto args = arguments(call);
        args[i] = wrong;
        const auto reply = LuaTest::call(call.function, key_list, args);
        EXPECT_EQ(error_code(reply), "ARGUMENT") << call.function << " " << i << " \"" << wrong << "\": " << reply;
        EXPECT_TRUE(wrong.size() < 4 || reply.find(wrong) == std::string::npos) << "no text of the caller in an error";
      }
    }
    EXPECT_EQ(picture(), before) << call.function;
  }
}

TEST_F(MalformedCall, MoreThanAFunctionTakesIsRefused) {
  build(World::kOpen);
  const auto before = picture();
  Words users{"0-0", "1001"};
  Words pairs{"1", "0"};
  for (int i = 1; i <= 1001; ++i) {
    users.push_back(std::to_string(i));
    pairs.push_back(std::to_string(i));
    pairs.emplace_back("1");
  }
  EXPECT_EQ(error_code(call("user_counts", {keys.coupon, keys.claims}, users)), "ARGUMENT");
  EXPECT_EQ(error_code(call("user_counts_fix", {keys.coupon}, pairs)), "ARGUMENT");
  EXPECT_EQ(error_code(call("user_counts", {keys.coupon, keys.claims}, {"0-0", "3", "7", "8", "7"})), "ARGUMENT")
      << "a user twice";
  EXPECT_EQ(error_code(call("claim", {keys.stock, keys.stock, keys.claims, ready}, {"7"})), "ARGUMENT");
  EXPECT_EQ(picture(), before);
  users.pop_back();
  users[1] = "1000";
  pairs.resize(pairs.size() - 2);
  EXPECT_EQ(error_code(call("user_counts", {keys.coupon, keys.claims}, users)), "");
  EXPECT_EQ(call("user_counts_fix", {keys.coupon}, pairs), "FIXED");
}

TEST_F(MalformedCall, TheTableHasEveryFunctionOfTheLibrary) {
  std::vector<std::string> names;
  for (const auto& call : all_calls()) {
    names.push_back(call.function);
  }
  std::sort(names.begin(), names.end());
  const auto loaded = redis::loaded_functions(client());
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(*loaded, names);
}

}  // namespace flashclaim
