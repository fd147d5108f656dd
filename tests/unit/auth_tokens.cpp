// Tokens: the matrix of what must not be believed, for every algorithm.
#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "engine/auth/jwt.h"
#include "tests/harness/tokens.h"
#include "tests/unit/auth_world.h"

namespace flashclaim {
namespace {

using auth::Fault;
using harness::base64url;
using harness::jwk_set;
using harness::TokenMint;

constexpr std::int64_t kNow = 1795380024;
constexpr const char* kAudience = "flashclaim";

std::string claims(const std::string& sub = R"("7")", const std::string& aud = R"("flashclaim")",
                   std::int64_t exp_in = 300) {
  return R"({"sub":)" + sub + R"(,"aud":)" + aud + R"(,"exp":)" + std::to_string(kNow + exp_in) + "}";
}

std::vector<auth::JwtKey> keys(const std::string& json) {
  auto parsed = auth::parse_jwks(json);
  if (!parsed) throw std::runtime_error(parsed.error().message);
  return std::move(*parsed);
}

/// One mint for each algorithm, made once: RSA keys take their time.
const TokenMint& mint(const std::string& algorithm) {
  static std::map<std::string, TokenMint> mints;
  auto found = mints.find(algorithm);
  if (found == mints.end()) found = mints.emplace(algorithm, TokenMint(algorithm, "the-key")).first;
  return found->second;
}

class Token : public testing::TestWithParam<const char*> {
 protected:
  Token() : mint_(mint(GetParam())), keys_(keys(jwk_set({mint_.jwk()}))), reader_(kAudience) {}

  Fault read(const std::string& token) { return reader_.read(keys_, token, kNow).fault; }
  Fault read_claims(const std::string& text) { return read(mint_.token(text)); }
  Fault read_header(const std::string& header) { return read(mint_.token(header, claims())); }
  [[nodiscard]] std::string algorithm() const { return GetParam(); }

  const TokenMint& mint_;
  std::vector<auth::JwtKey> keys_;
  auth::TokenReader reader_;
};

TEST_P(Token, SaysWhoItsBearerIs) {
  const auto user = reader_.read(keys_, mint_.token(claims(R"("9223372036854775807")")), kNow);
  EXPECT_EQ(user.fault, Fault::kNone);
  EXPECT_EQ(user.user, "9223372036854775807");
  EXPECT_EQ(user.user_id, INT64_MAX);
  EXPECT_EQ(read_claims(claims(R"("7")", R"(["other","flashclaim"])")), Fault::kNone);
}

TEST_P(Token, IsRefusedWithoutASignature) {
  const std::string body = base64url(claims());
  for (const char* alg : {"none", "None", "NONE", "nOnE", ""}) {
    const std::string header = base64url(R"({"alg":")" + std::string(alg) + R"(","kid":"the-key"})");
    EXPECT_EQ(read(header + "." + body + "."), Fault::kAlgorithm) << alg;
    EXPECT_EQ(read(header + "." + body), Fault::kToken) << alg;
    EXPECT_EQ(read_header(R"({"alg":")" + std::string(alg) + R"(","kid":"the-key"})"), Fault::kAlgorithm) << alg;
  }
  EXPECT_EQ(read(base64url(mint_.header()) + "." + body + "."), Fault::kSignature);
}

TEST_P(Token, IsRefusedWithAnotherAlgorithmThanItsKeyIsFor) {
  for (const char* other : {"HS256", "RS256", "ES256", "EdDSA", "HS512", "RS512", "PS256", "ES384", "hs256", "rs256"}) {
    if (algorithm() == other) continue;
    EXPECT_EQ(read_header(R"({"alg":")" + std::string(other) + R"(","kid":"the-key"})"), Fault::kAlgorithm) << other;
  }
  EXPECT_EQ(read_header(R"({"kid":"the-key"})"), Fault::kAlgorithm);
}

TEST_P(Token, IsRefusedWhenThePublicKeyWasUsedAsASecret) {
  if (algorithm() == "HS256") {
    EXPECT_EQ(read(mint("RS256").token(claims())), Fault::kAlgorithm);
    return;
  }
  const std::string text = base64url(R"({"alg":"HS256","kid":"the-key"})") + "." + base64url(claims());
  EXPECT_EQ(read(text + "." + base64url(harness::hmac_sha256(mint_.pem(), text))), Fault::kAlgorithm);
  const std::string same = base64url(mint_.header()) + "." + base64url(claims());
  EXPECT_EQ(read(same + "." + base64url(harness::hmac_sha256(mint_.pem(), same))), Fault::kSignature);
}

TEST_P(Token, IsRefusedFromAnotherKey) {
  const TokenMint impostor(algorithm(), "the-key");
  EXPECT_EQ(read(impostor.token(claims())), Fault::kSignature);
  const TokenMint unknown(algorithm(), "no-key");
  EXPECT_EQ(read(unknown.token(claims())), Fault::kUnknownKey);
  EXPECT_EQ(read_header(R"({"alg":")" + algorithm() + R"("})"), Fault::kUnknownKey);
  EXPECT_EQ(read_header(R"({"alg":")" + algorithm() + R"(","kid":7})"), Fault::kUnknownKey);
  // A key that comes with its token is nobody's.
  const std::string jwk = R"(,"jwk":)" + impostor.jwk() + R"(,"jku":"http://127.0.0.1/keys"})";
  EXPECT_EQ(read(impostor.token(R"({"alg":")" + algorithm() + R"(","kid":"the-key")" + jwk, claims())),
            Fault::kSignature);
}

TEST_P(Token, IsRefusedWhereverItIsTruncatedOrChanged) {
  const std::string good = mint_.token(claims());
  ASSERT_EQ(read(good), Fault::kNone);
  for (std::size_t size = 0; size < good.size(); ++size) EXPECT_NE(read(good.substr(0, size)), Fault::kNone) << size;
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string changed = good;
    changed[at] = changed[at] == 'A' ? 'B' : 'A';
    EXPECT_NE(read(changed), Fault::kNone) << at;
  }
  for (const std::string& more : {good + "A", good + "=", good + ".", "." + good, good + "." + good, " " + good})
    EXPECT_NE(read(more), Fault::kNone) << more;
}

TEST_P(Token, IsRefusedBeforeAndAfterItsTime) {
  EXPECT_EQ(read_claims(claims(R"("7")", R"("flashclaim")", -29)), Fault::kNone);
  EXPECT_EQ(read_claims(claims(R"("7")", R"("flashclaim")", -30)), Fault::kExpired);
  for (const char* exp :
       {"", R"(,"exp":"1895380024")", R"(,"exp":null)", R"(,"exp":true)", R"(,"exp":-1)", R"(,"exp":0)"})
    EXPECT_EQ(read_claims(R"({"sub":"7","aud":"flashclaim")" + std::string(exp) + "}"), Fault::kExpired) << exp;
  const auto begins = [&](const std::string& nbf) {
    return read_claims(R"({"sub":"7","aud":"flashclaim","exp":)" + std::to_string(kNow + 300) + R"(,"nbf":)" + nbf +
                       "}");
  };
  EXPECT_EQ(begins(std::to_string(kNow + 30)), Fault::kNone);
  EXPECT_EQ(begins(std::to_string(kNow + 31)), Fault::kNotYet);
  EXPECT_EQ(begins("\"0\""), Fault::kNotYet);
}

TEST_P(Token, IsRefusedForAnotherAudience) {
  for (const char* aud : {R"("other")", R"("flashclaim2")", R"("Flashclaim")", R"("")", "[]", R"(["a","b"])", "7",
                          "null", R"({"flashclaim":1})", R"(["flashclaim",7])"})
    EXPECT_EQ(read_claims(claims(R"("7")", aud)), Fault::kAudience) << aud;
  EXPECT_EQ(read_claims(R"({"sub":"7","exp":)" + std::to_string(kNow + 300) + "}"), Fault::kAudience);
}

TEST_P(Token, IsRefusedWithoutAUserId) {
  for (const char* sub : {R"("")", R"("0")", R"("07")", R"("-7")", "7", "null", R"("9223372036854775808")", R"(["7"])",
                          R"("7 ")", R"("7\u0000")", R"("alice")"})
    EXPECT_EQ(read_claims(claims(sub)), Fault::kSubject) << sub;
}

TEST_P(Token, IsRefusedWhenItCanBeReadInTwoWays) {
  const std::string exp = R"(,"exp":)" + std::to_string(kNow + 300);
  EXPECT_EQ(read_claims(R"({"sub":"8","sub":"7","aud":"flashclaim")" + exp + "}"), Fault::kToken);
  EXPECT_EQ(read_claims(R"({"s\u0075b":"8","sub":"7","aud":"flashclaim")" + exp + "}"), Fault::kToken);
  EXPECT_EQ(read_header(R"({"alg":"none","alg":")" + algorithm() + R"(","kid":"the-key"})"), Fault::kToken);
  EXPECT_EQ(read_header(R"({"alg":")" + algorithm() + R"(","kid":"the-key","crit":["x"],"x":1})"), Fault::kToken);
  EXPECT_EQ(read_header(R"({"alg":")" + algorithm() + R"(","kid":"the-key","typ":"secevent+jwt"})"), Fault::kToken);
  for (const char* bad : {"", "7", "[]", "{", "{}x", R"({"sub":"7")", "\xff\xfe"})
    EXPECT_EQ(read_claims(bad), Fault::kToken) << bad;
}

INSTANTIATE_TEST_SUITE_P(EveryAlgorithm, Token, testing::Values("HS256", "RS256", "ES256", "EdDSA"),
                         [](const auto& info) { return std::string(info.param); });

TEST(Jwks, TakesKeysOfEveryAlgorithmSideBySide) {
  TokenMint hs("HS256", "a");
  TokenMint rs("RS256", "b");
  TokenMint es("ES256", "c");
  TokenMint ed("EdDSA", "d");
  const auto all = keys(jwk_set({hs.jwk(), rs.jwk(), es.jwk(), ed.jwk()}));
  ASSERT_EQ(all.size(), 4U);
  auth::TokenReader reader(kAudience);
  for (const TokenMint* one : {&hs, &rs, &es, &ed})
    EXPECT_EQ(reader.read(all, one->token(claims()), kNow).fault, Fault::kNone) << one->algorithm();
  // The key of one algorithm under the id of another.
  EXPECT_EQ(reader.read(all, hs.token(R"({"alg":"HS256","kid":"b"})", claims()), kNow).fault, Fault::kAlgorithm);
  EXPECT_EQ(reader.read(all, rs.token(R"({"alg":"HS256","kid":"a"})", claims()), kNow).fault, Fault::kSignature);
}

TEST(Jwks, RefusesWhatIsNoKeyForItsAlgorithm) {
  const TokenMint& rs = mint("RS256");
  const TokenMint& es = mint("ES256");
  const TokenMint& hs = mint("HS256");
  for (const std::string& jwk :
       {rs.jwk("HS256"), rs.jwk("ES256"), rs.jwk("RS512"), rs.jwk("none"), es.jwk("EdDSA"), hs.jwk("RS256"),
        std::string(R"({"kty":"oct","alg":"HS256","kid":"a","k":"c2hvcnQ"})"),
        std::string(R"({"kty":"oct","alg":"HS256","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})"),
        std::string(R"({"kty":"oct","kid":"a","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})"),
        std::string(R"({"kty":"RSA","alg":"RS256","kid":"a","n":"AQAB","e":"AQAB"})"),
        std::string(R"({"kty":"OKP","crv":"Ed25519","alg":"EdDSA","kid":"a","x":"AAAA"})"),
        R"({"kty":"EC","crv":"P-256","alg":"ES256","kid":"a","x":")" + base64url(std::string(32, '\1')) + R"(","y":")" +
            base64url(std::string(32, '\1')) + "\"}",
        es.jwk().substr(0, es.jwk().size() - 1) + R"(,"d":"AAAA"})", std::string("7")}) {
    auto parsed = auth::parse_jwks(jwk_set({jwk}));
    EXPECT_FALSE(parsed) << jwk;
  }
  for (const std::string& bad : {std::string(), std::string("{}"), std::string(R"({"keys":[]})"), hs.jwk(),
                                 jwk_set({hs.jwk(), hs.jwk()}), std::string("[]")})
    EXPECT_FALSE(auth::parse_jwks(bad)) << bad;
}

TEST(JwtDoor, AsksForABearerTokenAndNothingElse) {
  const TokenMint& hs = mint("HS256");
  auth::Keys listed;
  listed.jwt = keys(jwk_set({hs.jwk()}));
  DoorWorld world(
      auth::Setup{{auth::Scheme::kJwt, kAudience, {}}, nullptr, std::make_shared<const auth::Keys>(std::move(listed))});
  const std::string token = hs.token(R"({"sub":"7","aud":"flashclaim","exp":4102444800})");
  const std::string bearer = "Authorization: Bearer " + token + "\r\n";
  EXPECT_EQ(world.ask(bearer).body, "7");
  EXPECT_EQ(world.ask("authorization: bearer " + token + "\r\n").body, "7");
  EXPECT_EQ(world.ask("").body, "nobody");
  EXPECT_EQ(world.ask(bearer + bearer).status, 400);
  EXPECT_EQ(world.ask(bearer + "X-User-Id: 7\r\n").status, 400);
  for (const char* other : {"X-User-Id: 7", "X-User-Id: 007", "X-Auth-Signature: 00",
                            "Authorization: Basic dXNlcjpwYXNz", "Authorization: Bearer"}) {
    const auto refused = world.ask(std::string(other) + "\r\n");
    EXPECT_EQ(refused.status, 401) << other;
    EXPECT_EQ(refused.headers.at("www-authenticate"), "Bearer") << "no token was wrong: there was none";
  }
  EXPECT_EQ(world.ask(bearer + "X_User_Id: 7\r\n").status, 400);
  EXPECT_EQ(world.ask("Authorization: Bearer  " + token + "\r\n").status, 401);
  const auto expired =
      world.ask("Authorization: Bearer " + hs.token(R"({"sub":"7","aud":"flashclaim","exp":1})") + "\r\n");
  EXPECT_EQ(expired.status, 401);
  EXPECT_EQ(expired.headers.at("www-authenticate"), "Bearer error=\"invalid_token\"");
  EXPECT_EQ(world.counters().refused[static_cast<std::size_t>(Fault::kExpired)].value(), 1U);
}

}  // namespace
}  // namespace flashclaim
