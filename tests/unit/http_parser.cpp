// The parser: what is a request and what is not yet one; what must never be one is in http_smuggling.cpp.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "engine/http/parser.h"

namespace flashclaim::http {
namespace {

struct Case {
  const char* name;
  std::string bytes;
};

std::string name_of(const testing::TestParamInfo<Case>& info) { return info.param.name; }

class ParserTest : public testing::Test {
 protected:
  // On the heap and of the exact size: an address sanitizer sees a read beyond the bytes.
  Parsed parse(std::string_view bytes) {
    bytes_ = std::make_unique<char[]>(bytes.size());
    bytes.copy(bytes_.get(), bytes.size());
    return parser_.parse({bytes_.get(), bytes.size()}, request_);
  }
  Parser parser_{8192, 4096};
  Request request_;
  std::unique_ptr<char[]> bytes_;
};

TEST_F(ParserTest, HandsOnMethodPathQueryHeadersAndBody) {
  const std::string bytes =
      "POST /coupons/42/receive?a=b HTTP/1.1\r\nHost: x\r\nX-User-Id:  7 \r\nEmpty:\r\nContent-Length: 2\r\n\r\n{}";
  const Parsed parsed = parse(bytes + "GET / HTTP/1.1");
  ASSERT_EQ(parsed.outcome, ParseOutcome::kRequest);
  EXPECT_EQ(parsed.consumed, bytes.size());
  EXPECT_EQ(request_.method, Method::kPost);
  EXPECT_EQ(request_.path, "/coupons/42/receive");
  EXPECT_EQ(request_.query, "a=b");
  EXPECT_EQ(request_.body, "{}");
  EXPECT_EQ(request_.header("x-user-id").value, "7");
  EXPECT_EQ(request_.header("x-user-id").count, 1);
  EXPECT_EQ(request_.header("empty").count, 1);
  EXPECT_EQ(request_.header("empty").value, "");
  EXPECT_EQ(request_.header("absent").count, 0);
  EXPECT_TRUE(request_.keep_alive);
}

TEST_F(ParserTest, CountsAHeaderThatIsSentTwice) {
  ASSERT_EQ(parse("GET / HTTP/1.1\r\nHost: x\r\nx-user-id: 1\r\nX-USER-ID: 2\r\n\r\n").outcome, ParseOutcome::kRequest);
  EXPECT_EQ(request_.header("x-user-id").count, 2);
}

TEST_F(ParserTest, KnowsWhenTheConnectionEnds) {
  parse("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_FALSE(request_.keep_alive);
  parse("GET / HTTP/1.0\r\n\r\n");
  EXPECT_FALSE(request_.keep_alive);
  EXPECT_TRUE(request_.http10);
  for (const char* kept : {"keep-alive", "Keep-Alive", "te, keep-alive"}) {
    parse("GET / HTTP/1.0\r\nConnection: " + std::string(kept) + "\r\n\r\n");
    EXPECT_TRUE(request_.keep_alive) << kept;
    EXPECT_TRUE(request_.http10);
  }
  for (const char* version : {"1.0", "1.1"}) {
    for (const char* both : {"Connection: keep-alive, close", "Connection: close, keep-alive",
                             "Connection: keep-alive\r\nConnection: close"}) {
      parse("GET / HTTP/" + std::string(version) + "\r\nHost: x\r\n" + both + "\r\n\r\n");
      EXPECT_FALSE(request_.keep_alive) << version << ": " << both;
    }
  }
}

TEST_F(ParserTest, DecodesWhatIsTheSameWithAndWithoutPercentEncoding) {
  ASSERT_EQ(parse("GET /%63oupons/%34%32?w%61it=2%30s HTTP/1.1\r\nHost: x\r\n\r\n").outcome, ParseOutcome::kRequest);
  EXPECT_EQ(request_.path, "/coupons/42");
  EXPECT_EQ(request_.query, "wait=20s");
  EXPECT_EQ(request_.path_as_sent, "/%63oupons/%34%32");
  for (const char* kept :
       {"/a%2fb", "/a%2Fb", "/a%00", "/a%25", "/a%", "/a%4", "/a%zz", "/a%4z", "/a%2531", "/a%3f", "/%80"}) {
    ASSERT_EQ(parse("GET " + std::string(kept) + " HTTP/1.1\r\nHost: x\r\n\r\n").outcome, ParseOutcome::kRequest);
    EXPECT_EQ(request_.path, kept);
  }
  ASSERT_EQ(parse("GET /%41%5a%61%7A%30%39%2d%2E%5F%7e HTTP/1.1\r\nHost: x\r\n\r\n").outcome, ParseOutcome::kRequest);
  EXPECT_EQ(request_.path, "/AZaz09-._~");
}

TEST_F(ParserTest, TakesTheAbsoluteForm) {
  ASSERT_EQ(parse("GET http://shop.example/coupons/1?q HTTP/1.1\r\nHost: shop.example\r\n\r\n").outcome,
            ParseOutcome::kRequest);
  EXPECT_EQ(request_.path, "/coupons/1");
  EXPECT_EQ(request_.query, "q");
  ASSERT_EQ(parse("GET http://shop.example HTTP/1.1\r\nHost: shop.example\r\n\r\n").outcome, ParseOutcome::kRequest);
  EXPECT_EQ(request_.path, "/");
}

TEST_F(ParserTest, JoinsChunks) {
  const std::string bytes =
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0A\r\n0123456789\r\n0\r\n\r\n";
  const Parsed parsed = parse(bytes + "more");
  ASSERT_EQ(parsed.outcome, ParseOutcome::kRequest);
  EXPECT_EQ(parsed.consumed, bytes.size());
  EXPECT_EQ(request_.body, "abc0123456789");
}

TEST_F(ParserTest, PassesOverChunkExtensionsAndTrailers) {
  const std::string head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string bytes =
      head + "3;a\r\nabc\r\n2 ; b=\"c;d\" ;e\r\nde\r\n0;last\r\nContent-Length: 9\r\nX-User-Id: 7\r\n\r\n";
  const Parsed parsed = parse(bytes + "more");
  ASSERT_EQ(parsed.outcome, ParseOutcome::kRequest);
  EXPECT_EQ(parsed.consumed, bytes.size());
  EXPECT_EQ(request_.body, "abcde");
  EXPECT_EQ(request_.header("x-user-id").count, 0) << "a trailer is no header";
  const std::string many(1025, 'x');
  EXPECT_EQ(parse(head + "3;" + many).outcome, ParseOutcome::kBodyTooLarge);
  EXPECT_EQ(parse(head + "0\r\nA: " + many).outcome, ParseOutcome::kBodyTooLarge);
  const std::string half(600, 'x');
  EXPECT_EQ(parse(head + "1;" + half + "\r\na\r\n0\r\nA: " + half + "\r\n\r\n").outcome, ParseOutcome::kBodyTooLarge)
      << "extensions and trailers are counted together";
}

TEST_F(ParserTest, BoundsHeadersAndBody) {
  const std::string head = "GET / HTTP/1.1\r\nHost: x\r\n";
  EXPECT_EQ(parse(head + "A: " + std::string(8192, 'a')).outcome, ParseOutcome::kHeadersTooLarge);
  EXPECT_EQ(parse(head + "A: " + std::string(8192, 'a') + "\r\n\r\n").outcome, ParseOutcome::kHeadersTooLarge);
  EXPECT_EQ(parse(head + "A: " + std::string(7000, 'a') + "\r\n\r\n").outcome, ParseOutcome::kRequest);
  EXPECT_EQ(parse("GET /" + std::string(9000, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n").outcome,
            ParseOutcome::kHeadersTooLarge);
  std::string many = head;
  for (int i = 0; i < 64; ++i) many += "A: b\r\n";
  EXPECT_EQ(parse(many + "\r\n").outcome, ParseOutcome::kHeadersTooLarge);
  EXPECT_EQ(parse(head + "Content-Length: 4096\r\n\r\n").outcome, ParseOutcome::kIncomplete);
  EXPECT_EQ(parse(head + "Content-Length: 4097\r\n\r\n").outcome, ParseOutcome::kBodyTooLarge);
  EXPECT_EQ(parse(head + "Content-Length: 9999999999\r\n\r\n").outcome, ParseOutcome::kBodyTooLarge);
  EXPECT_EQ(parse(head + "Transfer-Encoding: chunked\r\n\r\n1001\r\n").outcome, ParseOutcome::kBodyTooLarge);
  EXPECT_EQ(parse(head + "Transfer-Encoding: chunked\r\n\r\nffffffff\r\n").outcome, ParseOutcome::kBodyTooLarge);
}

TEST_F(ParserTest, SaysWhenTheClientWaitsForContinue) {
  const std::string head = "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
  EXPECT_TRUE(parse(head).wants_continue);
  EXPECT_FALSE(parse(head + "{").wants_continue);
  EXPECT_EQ(parse(head + "{}").outcome, ParseOutcome::kRequest);
}

class WholeRequest : public ParserTest, public testing::WithParamInterface<Case> {};

TEST_P(WholeRequest, IsIncompleteInEveryPrefix) {
  const std::string& bytes = GetParam().bytes;
  for (std::size_t size = 0; size < bytes.size(); ++size)
    ASSERT_EQ(parse(bytes.substr(0, size)).outcome, ParseOutcome::kIncomplete) << size << " bytes";
  EXPECT_EQ(parse(bytes).outcome, ParseOutcome::kRequest);
}

INSTANTIATE_TEST_SUITE_P(
    Forms, WholeRequest,
    testing::Values(
        Case{"Get", "GET /coupons/1 HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n"},
        Case{"Head", "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"},
        Case{"OptionsStar", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"},
        Case{"UnusualMethod", "DELETE / HTTP/1.1\r\nHost: x\r\n\r\n"},
        Case{"LeadingEmptyLine", "\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"},
        Case{"Upgrade", "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"},
        Case{"Length", "POST /c HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"},
        Case{"LengthZero", "POST /c HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"},
        Case{"Chunked", "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"},
        Case{"ChunkExtras",
             "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2 ;a=b\r\nab\r\n0;c\r\nD: e\r\n\r\n"},
        Case{"PercentEncoded", "GET /%61%2f HTTP/1.1\r\nHost: x\r\n\r\n"},
        Case{"EmptyHost", "GET / HTTP/1.1\r\nHost:\r\n\r\n"}, Case{"Http10", "GET / HTTP/1.0\r\n\r\n"}),
    name_of);

}  // namespace
}  // namespace flashclaim::http
