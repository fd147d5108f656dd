// The message's codec: one shape, and nothing but that shape.
#include "engine/mirror/message.h"

#include <gtest/gtest.h>

#include "engine/base/digest.h"

namespace flashclaim::mirror {
namespace {

const EntryMessage kMessage{42, 1, {1795380024805, 0}, {7}};
const std::string kBody =
    R"({"v":1,"couponId":"42","epoch":1,"entryId":"1795380024805-0","claims":[{"claimId":"42-1-1795380024805-0-0","userId":"7","index":0}]})";

Result<EntryMessage> decode_signed(const std::string& body) { return decode(body, checksum(body)); }

std::string with(std::string body, const std::string& from, const std::string& to) {
  auto at = body.find(from);
  if (at == std::string::npos) throw std::logic_error("not in the body: " + from);
  return body.replace(at, from.size(), to);
}

TEST(Message, IsTheBodyOfTheContract) { EXPECT_EQ(encode(kMessage), kBody); }

TEST(Message, HasTheIdCouponEpochEntry) { EXPECT_EQ(kMessage.message_id(), "42-1-1795380024805-0"); }

TEST(Message, ComesBackAsItWasAtEverySizeAndLimit) {
  EntryMessage message{INT64_MAX, INT32_MAX, {kEntryMsMax, INT64_MAX}, {}};
  while (message.users.size() < kClaimsMax) {
    message.users.push_back(INT64_MAX - static_cast<std::int64_t>(message.users.size()));
    auto back = decode_signed(encode(message));
    ASSERT_TRUE(back) << back.error().message;
    ASSERT_EQ(*back, message);
  }
  message.users.push_back(1);
  EXPECT_FALSE(decode_signed(encode(message)));
  message.users.pop_back();
  ++message.entry.ms;  // beyond PostgreSQL's time
  EXPECT_FALSE(decode_signed(encode(message)));
}

TEST(Message, DoesNotDependOnSpace) {
  auto back = decode_signed(with(kBody, R"("epoch":1)", R"( "epoch" :  1)"));
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, kMessage);
}

TEST(Message, RefusesAWrongChecksum) {
  EXPECT_FALSE(decode(kBody, ""));
  EXPECT_FALSE(decode(kBody, "0123456789abcdef"));
  EXPECT_FALSE(decode(kBody, checksum(kBody + " ")));
}

TEST(Message, RefusesEveryTruncation) {
  for (std::size_t size = 0; size < kBody.size(); ++size) {
    auto back = decode_signed(kBody.substr(0, size));
    EXPECT_FALSE(back) << kBody.substr(0, size);
  }
}

// A changed byte under its old checksum is always noticed; under a new one it is either refused or another valid
// message.
TEST(Message, NeverTakesADamagedBodyForTheOriginal) {
  for (std::size_t at = 0; at < kBody.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      auto damaged = kBody;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      EXPECT_FALSE(decode(damaged, checksum(kBody)));
      auto back = decode_signed(damaged);
      if (back) {
        EXPECT_NE(*back, kMessage) << damaged;
      }
    }
  }
}

TEST(Message, RefusesEveryOtherShape) {
  const std::vector<std::pair<std::string, std::string>> changes = {
      {R"("v":1)", R"("v":2)"},
      {R"("v":1)", R"("v":"1")"},
      {R"("v":1)", R"("v":1.0)"},
      {R"("v":1,)", ""},
      {R"("v":1,)", R"("v":1,"v":1,)"},
      {R"("v":1,)", R"("v":1,"more":1,)"},
      {R"("couponId":"42")", R"("couponId":42)"},
      {R"("couponId":"42")", R"("couponId":"042")"},
      {R"("couponId":"42")", R"("couponId":"0")"},
      {R"("couponId":"42")", R"("couponId":"9223372036854775808")"},
      {R"("couponId":"42")", R"("couponId":"43")"},
      {R"("epoch":1)", R"("epoch":0)"},
      {R"("epoch":1)", R"("epoch":-1)"},
      {R"("epoch":1)", R"("epoch":2147483648)"},
      {R"("epoch":1)", R"("epoch":"1")"},
      {R"("epoch":1)", R"("epoch":2)"},
      {R"("entryId":"1795380024805-0")", R"("entryId":"1795380024805")"},
      {R"("entryId":"1795380024805-0")", R"("entryId":"1795380024805-1")"},
      {R"([{"claimId":"42-1-1795380024805-0-0","userId":"7","index":0}])", "[]"},
      {R"([{"claimId":"42-1-1795380024805-0-0","userId":"7","index":0}])", "{}"},
      {R"([{"claimId":"42-1-1795380024805-0-0","userId":"7","index":0}])", "[7]"},
      {R"("claimId":"42-1-1795380024805-0-0")", R"("claimId":"42-1-1795380024805-0-1")"},
      {R"("userId":"7")", R"("userId":7)"},
      {R"("userId":"7")", R"("userId":"-7")"},
      {R"("userId":"7")", R"("userId":"07")"},
      {R"("index":0)", R"("index":1)"},
      {R"("index":0)", R"("index":0,"more":0)"},
      {R"(,"index":0)", ""},
      {R"(]})", R"(]}})"},
  };
  for (const auto& [from, to] : changes) {
    auto back = decode_signed(with(kBody, from, to));
    EXPECT_FALSE(back) << from << " -> " << to;
  }
  EXPECT_FALSE(decode_signed("[]"));
  EXPECT_FALSE(decode_signed("null"));
  EXPECT_FALSE(decode_signed(kBody + kBody));
}

TEST(Message, AnErrorRepeatsNothingOfTheBody) {
  auto back = decode_signed(with(kBody, R"("userId":"7")", R"("userId":"secret")"));
  ASSERT_FALSE(back);
  EXPECT_EQ(back.error().message.find("secret"), std::string::npos);
}

TEST(Entry, IsParsedWithItsUsersInOrder) {
  auto entry = parse_entry(42, {5, 6}, "3", "7,8,7", checksum("3 7,8,7"));
  ASSERT_TRUE(entry) << entry.error().message;
  EXPECT_EQ(*entry, (EntryMessage{42, 3, {5, 6}, {7, 8, 7}}));
  EXPECT_EQ(entry->claim_id(2).text(), "42-3-5-6-2");
}

TEST(Entry, RefusesAWrongChecksumAndEveryOtherShape) {
  EXPECT_FALSE(parse_entry(42, {5, 6}, "3", "7,8", checksum("3 7,9")));
  EXPECT_FALSE(parse_entry(42, {5, 6}, "3", "7,8", ""));
  for (const char* users : {"", ",", "7,", ",7", "7,,8", "7, 8", "0", "07", "a", "9223372036854775808", "-1"})
    EXPECT_FALSE(parse_entry(42, {5, 6}, "3", users, checksum(std::string("3 ") + users))) << users;
  for (const char* epoch : {"", "0", "-1", "a", "1.0", "2147483648"})
    EXPECT_FALSE(parse_entry(42, {5, 6}, epoch, "7", checksum(std::string(epoch) + " 7"))) << epoch;
  std::string many = "1";
  for (std::size_t i = 1; i < kClaimsMax; ++i) many += ",1";
  EXPECT_TRUE(parse_entry(42, {5, 6}, "3", many, checksum("3 " + many)));
  many += ",1";
  EXPECT_FALSE(parse_entry(42, {5, 6}, "3", many, checksum("3 " + many)));
}

}  // namespace
}  // namespace flashclaim::mirror
