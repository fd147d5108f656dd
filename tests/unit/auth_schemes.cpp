// Who is let in as whom: the schemes insecure-dev and gateway, and what is refused under every scheme.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <cctype>
#include <ctime>
#include <optional>

#include "tests/unit/auth_world.h"

namespace flashclaim {
namespace {

using auth::PeerList;
using auth::Scheme;
using harness::RawAnswer;

constexpr std::string_view kSecret = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
constexpr std::string_view kOtherSecret = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff000102030405060708090a0b0c0d0e0f";

std::string answer_of(const RawAnswer& answer) {
  return answer.status == 200 ? answer.body : std::to_string(answer.status);
}

TEST(InsecureDev, BelievesExactlyOneUserId) {
  DoorWorld world;
  EXPECT_EQ(answer_of(world.ask("")), "nobody");
  EXPECT_EQ(answer_of(world.ask("x-user-id: 7\r\n")), "7");
  EXPECT_EQ(answer_of(world.ask("X-USER-ID: 9223372036854775807\r\n")), "9223372036854775807");
  EXPECT_EQ(answer_of(world.ask("X-User-Id: 7\r\nx-user-id: 7\r\n")), "400");
  for (const char* bad :
       {"", "0", "007", "+5", "-5", "5 6", "5a", "0x5", "9223372036854775808", "99999999999999999999"})
    EXPECT_EQ(answer_of(world.ask("X-User-Id: " + std::string(bad) + "\r\n")), "400") << bad;
}

TEST(InsecureDev, RefusesWhatAnotherReaderMayTakeForTheHeader) {
  DoorWorld world;
  for (const char* name : {"X_User_Id", "x_user_id", "X-User_Id", "X.User.Id", "X_User-Id", "x-user!id"}) {
    EXPECT_EQ(answer_of(world.ask(std::string(name) + ": 7\r\n")), "400") << name;
    EXPECT_EQ(answer_of(world.ask("X-User-Id: 8\r\n" + std::string(name) + ": 7\r\n")), "400") << name;
  }
  EXPECT_EQ(answer_of(world.ask("X-User-Ip: 9\r\nUser-Id: 9\r\nX-User-Idx: 9\r\n")), "nobody");
}

TEST(InsecureDev, RefusesTheHeadersOfOtherSchemes) {
  DoorWorld world;
  for (const char* header :
       {"X-Auth-Time: 1", "X-Auth-Key: a", "X-Auth-Signature: 00", "Authorization: Bearer x.y.z", "X_Auth_Key: a"}) {
    EXPECT_EQ(answer_of(world.ask("X-User-Id: 7\r\n" + std::string(header) + "\r\n")), "400") << header;
    const auto alone = world.ask(std::string(header) + "\r\n");
    EXPECT_EQ(alone.status, std::string(header).find('_') == std::string::npos ? 401 : 400) << header;
  }
}

class Gateway : public testing::Test {
 protected:
  static std::shared_ptr<const auth::Keys> keys(const std::string& text) {
    auth::Keys keys;
    auto parsed = auth::parse_gateway_keys(text);
    if (!parsed) throw std::runtime_error(parsed.error().message);
    keys.gateway = *parsed;
    return std::make_shared<const auth::Keys>(std::move(keys));
  }
  static std::string key_line(std::string_view id, std::string_view secret) {
    return std::string(id) + " " + std::string(secret) + "\n";
  }
  static std::unique_ptr<DoorWorld> world(const std::string& gateways) {
    return std::make_unique<DoorWorld>(
        auth::Setup{{Scheme::kGateway, "", *PeerList::parse(gateways)}, nullptr, keys(key_line("k1", kSecret))});
  }

  /// The headers of a gateway that does everything right, but for what the test changes.
  struct Signed {
    std::string user = "7";
    std::string time = std::to_string(std::time(nullptr));
    std::string key = "k1";
    std::string_view secret = kSecret;
    std::string method = "POST";
    std::string path = "/coupons/42/receive";
    std::optional<std::string> idempotency = std::nullopt;

    [[nodiscard]] std::string signature() const {
      const auto listed = *auth::parse_gateway_keys(key_line("k", secret));
      return auth::hex_of(auth::gateway_signature(listed.front().hmac, {method, path, user, time, idempotency}));
    }
    [[nodiscard]] std::string headers() const { return headers(signature()); }
    [[nodiscard]] std::string headers(const std::string& signature) const {
      return "X-User-Id: " + user + "\r\nX-Auth-Time: " + time + "\r\nX-Auth-Key: " + key +
             "\r\nX-Auth-Signature: " + signature + "\r\n" +
             (idempotency ? "Idempotency-Key: " + *idempotency + "\r\n" : "");
    }
  };
  static std::string post(const DoorWorld& world, const std::string& headers,
                          const std::string& path = "/coupons/42/receive") {
    return answer_of(world.ask(headers, "POST", path));
  }
  static Signed at(std::int64_t offset_s) {
    Signed made;
    made.time = std::to_string(std::time(nullptr) + offset_s);
    return made;
  }
};

TEST_F(Gateway, SignatureIsHmacSha256OverMethodPathUserTimeAndKey) {
  const auto listed = *auth::parse_gateway_keys(key_line("k", kSecret));
  // printf 'POST\n/coupons/42/receive\n7\n1795380024' | openssl dgst -sha256 -mac HMAC -macopt hexkey:000102...1f
  EXPECT_EQ(
      auth::hex_of(auth::gateway_signature(listed.front().hmac, {"POST", "/coupons/42/receive", "7", "1795380024"})),
      "c2b6d9d6def205ceb054343a390fc83c039c5f475c440db693fa6bbdbcfd5ca8");
  // printf 'POST\n/coupons/42/receive\n7\n1795380024\nidempotency-key:k-1' | openssl ...
  EXPECT_EQ(auth::hex_of(auth::gateway_signature(listed.front().hmac,
                                                 {"POST", "/coupons/42/receive", "7", "1795380024", "k-1"})),
            "1ce946d47031aa829801d23dee8d70ee63dc1e0f0272f0fed554fe5be0d8029f");
}

/// Who can repeat a signed request must not make further claims of it by giving it other keys, or none.
TEST_F(Gateway, SignsTheIdempotencyKeyOfARequestThatHasOne) {
  auto w = world("127.0.0.1");
  Signed with;
  with.idempotency = "k-1";
  EXPECT_EQ(post(*w, with.headers()), "7");
  EXPECT_EQ(post(*w, Signed{}.headers()), "7") << "without a key nothing has changed";
  Signed other = with;
  other.idempotency = "k-2";
  EXPECT_EQ(post(*w, other.headers(with.signature())), "401") << "another key";
  other.idempotency = std::nullopt;
  EXPECT_EQ(post(*w, other.headers(with.signature())), "401") << "the key left out";
  EXPECT_EQ(post(*w, with.headers(Signed{}.signature())), "401") << "a key put in";
  EXPECT_EQ(post(*w, with.headers() + "Idempotency-Key: k-2\r\n"), "400") << "two keys";
  other.idempotency = "";
  EXPECT_EQ(post(*w, other.headers(Signed{}.signature())), "401") << "an empty key put in";
  EXPECT_EQ(post(*w, other.headers()), "7") << "whether it fits is judged behind the auth";
  Signed disguised;
  disguised.time += "\nidempotency-key:k-1";  // the text that is signed is the same, no header can carry it
  EXPECT_EQ(disguised.signature(), with.signature());
  EXPECT_EQ(post(*w, disguised.headers()), "400");
}

TEST_F(Gateway, SignsThePathAsItWasSent) {
  auto w = world("127.0.0.1");
  Signed encoded;
  encoded.path = "/coupons/%34%32/receive";
  EXPECT_EQ(post(*w, encoded.headers(), encoded.path), "7");
  EXPECT_EQ(post(*w, Signed{}.headers(), encoded.path), "401");
}

TEST_F(Gateway, LetsInWhomItSigned) {
  auto w = world("127.0.0.1");
  EXPECT_EQ(post(*w, Signed{}.headers()), "7");
  EXPECT_EQ(post(*w, Signed{}.headers(), "/coupons/42/receive?a=b"), "7");
  EXPECT_EQ(answer_of(w->ask("")), "nobody");
}

TEST_F(Gateway, RefusesASignatureForSomethingElse) {
  auto w = world("127.0.0.1");
  Signed other;
  const std::string good = other.signature();
  other.user = "8";
  EXPECT_EQ(post(*w, other.headers(good)), "401");
  EXPECT_EQ(post(*w, Signed{}.headers(), "/coupons/43/receive"), "401");
  EXPECT_EQ(answer_of(w->ask(Signed{}.headers(), "GET", "/coupons/42/receive")), "401");
  Signed later = at(1);
  EXPECT_EQ(post(*w, later.headers(at(0).signature())), "401");
  Signed forged;
  forged.secret = kOtherSecret;
  EXPECT_EQ(post(*w, forged.headers()), "401");
  EXPECT_EQ(w->counters().refused[static_cast<std::size_t>(auth::Fault::kSignature)].value(), 5U);
}

TEST_F(Gateway, RefusesATimeThatIsNotNow) {
  auto w = world("127.0.0.1");
  EXPECT_EQ(post(*w, at(-25).headers()), "7");
  EXPECT_EQ(post(*w, at(25).headers()), "7");
  EXPECT_EQ(post(*w, at(-90).headers()), "401");
  EXPECT_EQ(post(*w, at(90).headers()), "401");
  EXPECT_EQ(w->counters().refused[static_cast<std::size_t>(auth::Fault::kClock)].value(), 2U);
}

TEST_F(Gateway, RefusesAKeyThatItDoesNotKnow) {
  auto w = world("127.0.0.1");
  Signed made;
  made.key = "k2";
  EXPECT_EQ(post(*w, made.headers()), "401");
  made.key = "";
  EXPECT_EQ(post(*w, made.headers()), "401");
}

TEST_F(Gateway, RefusesWhatIsMissingMalformedOrTwice) {
  auto w = world("127.0.0.1");
  const Signed made;
  const std::string good = made.headers();
  for (const char* name : {"X-User-Id", "X-Auth-Time", "X-Auth-Key", "X-Auth-Signature"}) {
    const auto from = good.find(name);
    const std::string line = good.substr(from, good.find("\r\n", from) + 2 - from);
    std::string without = good;
    without.erase(from, line.size());
    EXPECT_EQ(post(*w, without), "401") << "without " << name;
    EXPECT_EQ(post(*w, line), "401") << "only " << name;
    EXPECT_EQ(post(*w, good + line), "400") << "twice " << name;
    std::string alike = line;
    alike[alike.find('-')] = '_';
    EXPECT_EQ(post(*w, without + alike), "400") << alike;
    EXPECT_EQ(post(*w, good + alike), "400") << alike;
  }
  std::string upper = made.signature();
  for (char& c : upper) c = static_cast<char>(std::toupper(c));
  for (const std::string& bad : {upper, made.signature().substr(0, 63), made.signature() + "0", std::string()})
    EXPECT_EQ(post(*w, made.headers(bad)), "401") << bad;
  for (const char* bad : {"", "-1", "1e9", "01795380024", "99999999999999999999"}) {
    Signed dated;
    dated.time = bad;
    EXPECT_EQ(post(*w, dated.headers()), "401") << bad;
  }
  for (const char* bad : {"0", "07", "-7", "9223372036854775808", "7,8"}) {
    Signed named;
    named.user = bad;
    EXPECT_EQ(post(*w, named.headers()), "400") << bad;
  }
}

TEST_F(Gateway, RefusesASecondScheme) {
  auto w = world("127.0.0.1");
  EXPECT_EQ(post(*w, Signed{}.headers() + "Authorization: Bearer a.b.c\r\n"), "400");
  EXPECT_EQ(post(*w, "Authorization: Bearer a.b.c\r\nX-User-Id: 7\r\n"), "400");
  EXPECT_EQ(post(*w, "Authorization: Bearer a.b.c\r\n"), "401") << "one scheme only, and not the one in force";
  const RawAnswer unsigned_name = w->ask("X-User-Id: 7\r\n", "POST", "/coupons/42/receive");
  EXPECT_EQ(unsigned_name.status, 401);
  EXPECT_EQ(unsigned_name.headers.at("www-authenticate"), "X-Auth-Signature");
}

TEST_F(Gateway, BelievesNobodyWhoIsNotListed) {
  auto w = world("10.0.0.0/8,::1");
  const RawAnswer answer = w->ask(Signed{}.headers(), "POST", "/coupons/42/receive");
  EXPECT_EQ(answer.status, 401);
  EXPECT_NE(answer.headers.at("www-authenticate"), "");
  EXPECT_EQ(w->counters().refused[static_cast<std::size_t>(auth::Fault::kStranger)].value(), 1U);
  EXPECT_EQ(answer_of(w->ask("")), "nobody");
}

TEST_F(Gateway, ChangesItsKeysWithoutAGap) {
  auto w = world("127.0.0.0/8");
  Signed next;
  next.key = "k2";
  next.secret = kOtherSecret;
  EXPECT_EQ(post(*w, next.headers()), "401");
  w->reload(keys(key_line("k1", kSecret) + key_line("k2", kOtherSecret)));
  EXPECT_EQ(post(*w, Signed{}.headers()), "7");
  EXPECT_EQ(post(*w, next.headers()), "7");
  w->reload(keys(key_line("k2", kOtherSecret)));
  EXPECT_EQ(post(*w, Signed{}.headers()), "401");
  EXPECT_EQ(post(*w, next.headers()), "7");
}

TEST(GatewayKeys, AreLinesOfIdAndSecret) {
  const std::string secret(kSecret);
  EXPECT_EQ(auth::parse_gateway_keys("# one\n\n  a " + secret + " \r\nb-2.c_D\t" + secret)->size(), 2U);
  for (const std::string& bad : {std::string(), std::string("# none\n"), "a" + secret, "a " + secret.substr(2),
                                 "a " + secret + "0", "a g" + secret.substr(1), "a " + secret + "\na " + secret,
                                 "a! " + secret, std::string(33, 'a') + " " + secret, "a " + secret + " " + secret}) {
    auto keys = auth::parse_gateway_keys(bad);
    ASSERT_FALSE(keys) << bad;
    EXPECT_EQ(keys.error().message.find(secret), std::string::npos) << "a secret in an error";
  }
}

http::Peer peer(const char* text) {
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) return http::peer_of(reinterpret_cast<const sockaddr&>(v4));
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  EXPECT_EQ(inet_pton(AF_INET6, text, &v6.sin6_addr), 1) << text;
  return http::peer_of(reinterpret_cast<const sockaddr&>(v6));
}

TEST(PeerList, KnowsAddressesAndNetworks) {
  const auto list = *PeerList::parse("10.0.0.0/9,192.0.2.7,2001:db8::/33");
  for (const char* ours : {"10.0.0.0", "10.127.255.255", "192.0.2.7", "2001:db8:7fff::1", "::ffff:10.1.2.3"})
    EXPECT_TRUE(list.contains(peer(ours))) << ours;
  for (const char* stranger : {"10.128.0.0", "192.0.2.6", "2001:db8:8000::", "::1", "127.0.0.1", "::10.1.2.3"})
    EXPECT_FALSE(list.contains(peer(stranger))) << stranger;
  EXPECT_TRUE(PeerList::parse("0.0.0.0/0")->contains(peer("127.0.0.1")));
  EXPECT_FALSE(PeerList::parse("0.0.0.0/0")->contains(peer("::1")));
  EXPECT_FALSE(PeerList::parse("")->contains(peer("127.0.0.1")));
  EXPECT_TRUE(list.contains(http::Peer{})) << "a unix socket";
  for (const char* bad : {"localhost", "10.0.0.0/33", "::1/129", "10.0.0.0/", "10.0.0.0/-1", "1.2.3", ","})
    EXPECT_FALSE(PeerList::parse(bad)) << bad;
}

}  // namespace
}  // namespace flashclaim
