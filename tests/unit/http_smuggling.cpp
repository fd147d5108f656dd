// Builds the corpus, and sends each case to a real server.
#include "tests/unit/http_smuggling.h"

#include <gtest/gtest.h>

#include <thread>

#include "engine/http/parser.h"
#include "tests/harness/raw_http.h"
#include "tests/unit/auth_world.h"

namespace flashclaim::http {
namespace {

using namespace std::string_literals;  // a literal that counts its own zero bytes

using Case = SmugglingCase;

Case with_header(const char* name, const std::string& lines) {
  return {name, "POST / HTTP/1.1\r\nHost: x\r\n" + lines + "\r\nabcdefghij"};
}
Case with_chunks(const char* name, const std::string& chunks) {
  return {name, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks};
}

std::vector<Case> heads() {
  return {with_header("LengthTwice", "Content-Length: 3\r\nContent-Length: 3\r\n"),
          with_header("LengthTwoValues", "Content-Length: 3, 3\r\n"),
          with_header("LengthSigned", "Content-Length: +3\r\n"),
          with_header("LengthNegative", "Content-Length: -3\r\n"),
          with_header("LengthHex", "Content-Length: 0x3\r\n"),
          with_header("LengthEmpty", "Content-Length:\r\n"),
          with_header("LengthBlankInside", "Content-Length: 1 2\r\n"),
          with_header("LengthHuge", "Content-Length: 99999999999999999999999\r\n"),
          with_header("LengthAndCoding", "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"),
          with_header("CodingAndLength", "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"),
          with_header("CodingTwice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
          with_header("CodingOther", "Transfer-Encoding: gzip, chunked\r\n"),
          with_header("CodingIdentity", "Transfer-Encoding: identity\r\n"),
          with_header("CodingLookAlike", "Transfer-Encoding: xchunked\r\n"),
          with_header("CodingWithControlByte",
                      "Transfer-Encoding: \x0b"
                      "chunked\r\n"),
          with_header("SpaceBeforeColon", "Content-Length : 3\r\n"),
          with_header("TabBeforeColon", "X-A\t: 3\r\n"),
          with_header("NameWithSpace", "X A: 3\r\n"),
          with_header("NoName", ": 3\r\n"),
          with_header("NoColon", "XA\r\n"),
          with_header("NameWithParenthesis", "X(A: 3\r\n"),
          with_header("ObsFold", "X-A: 1\r\n 2\r\n"),
          with_header("ObsFoldTab", "X-A: 1\r\n\t2\r\n"),
          with_header("ObsFoldEmpty", "X-A: 1\r\n \r\n"),
          with_header("Nul", "X-A: a\0b\r\n"s),
          with_header("Delete", "X-A: a\x7f\r\n"),
          with_header("BareCr", "X-A: a\rb\r\n"),
          with_header("BareLf", "X-A: a\nX-B: b\r\n"),
          with_header("HostTwice", "Host: y\r\n"),
          Case{"HostMissing", "GET / HTTP/1.1\r\nAccept: a\r\n\r\n"},
          Case{"HostTwoValues", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"},
          Case{"FirstHeaderFolded", "GET / HTTP/1.1\r\n Host: x\r\n\r\n"},
          Case{"BareLfRequestLine", "GET / HTTP/1.1\nHost: x\r\n\r\n"},
          Case{"BareLfAll", "GET / HTTP/1.1\nHost: x\n\n"},
          Case{"BareLfEnd", "GET / HTTP/1.1\r\nHost: x\r\n\n"},
          Case{"Http2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
          Case{"Http12", "GET / HTTP/1.2\r\nHost: x\r\n\r\n"},
          Case{"Http09", "GET /\r\n\r\n"},
          Case{"LowerCaseMethod", "get / HTTP/1.1\r\nHost: x\r\n\r\n"},
          Case{"UnknownMethod", "FETCH / HTTP/1.1\r\nHost: x\r\n\r\n"},
          Case{"Connect", "CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n"},
          Case{"NoSlash", "GET coupons HTTP/1.1\r\nHost: x\r\n\r\n"},
          Case{"StarGet", "GET * HTTP/1.1\r\nHost: x\r\n\r\n"},
          Case{"Tls", "\x16\x03\x01\x02\x00\x01\x00\x01"s},
          Case{"CodingInHttp10", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"}};
}

std::vector<Case> chunks_and_disguises() {
  return {with_chunks("ChunkHexPrefix", "0x3\r\nabc\r\n0\r\n\r\n"),
          with_chunks("ChunkSigned", "+3\r\nabc\r\n0\r\n\r\n"),
          with_chunks("ChunkBlank", " 3\r\nabc\r\n0\r\n\r\n"),
          with_chunks("ChunkBlankAfter", "3 \r\nabc\r\n0\r\n\r\n"),
          with_chunks("ChunkNoSize", "\r\nabc\r\n0\r\n\r\n"),
          with_chunks("ChunkBareLf", "3\nabc\r\n0\r\n\r\n"),
          with_chunks("ChunkExtensionBareLf", "3;a\nabc\r\n0\r\n\r\n"),
          with_chunks("ChunkExtensionBareCr", "3;a\rb\r\nabc\r\n0\r\n\r\n"),
          with_chunks("ChunkExtensionQuotedCrlf", "3;a=\"\r\n\"\r\nabc\r\n0\r\n\r\n"),
          with_chunks("ChunkExtensionNul", "3;a\0\r\nabc\r\n0\r\n\r\n"s),
          with_chunks("ChunkExtensionWithoutSemicolon", "3 a=b\r\nabc\r\n0\r\n\r\n"),
          with_chunks("ChunkExtensionWithoutSize", ";a=b\r\nabc\r\n0\r\n\r\n"),
          with_chunks("ChunkTooLong", "3\r\nabcd\r\n0\r\n\r\n"),
          with_chunks("ChunkTooShort", "3\r\nab\r\n0\r\n\r\n"),
          with_chunks("ChunkManyDigits", "000000003\r\nabc\r\n0\r\n\r\n"),
          with_chunks("TrailerFolded", "3\r\nabc\r\n0\r\nX-A: b\r\n c\r\n\r\n"),
          with_chunks("TrailerBareLf", "3\r\nabc\r\n0\r\nX-A: b\n\r\n"),
          with_chunks("TrailerBareCr", "3\r\nabc\r\n0\r\nX-A: b\rc\r\n\r\n"),
          with_chunks("TrailerNoColon", "3\r\nabc\r\n0\r\nGET / HTTP/1.1\r\n\r\n"),
          with_chunks("TrailerSpaceBeforeColon", "3\r\nabc\r\n0\r\nX-A : b\r\n\r\n"),
          with_chunks("TrailerRequestLine", "3\r\nabc\r\n0\r\nGET /a:b HTTP/1.1\r\n\r\n"),
          with_chunks("TrailerControlByte", "3\r\nabc\r\n0\r\nX-A: \x7f\r\n\r\n"),
          with_chunks("ChunkEndBareLf", "3\r\nabc\r\n0\r\n\n"),
          with_header("LengthPlusAndCodingCase", "content-length: +3\r\ntransfer-encoding: CHUNKED\r\n"),
          with_header("LengthAndCodingWithBlank", "Content-Length: 3\r\nTransfer-Encoding : chunked\r\n"),
          with_header("CodingFolded", "Transfer-Encoding:\r\n chunked\r\n"),
          with_header("CodingQuoted", "Transfer-Encoding: \"chunked\"\r\n"),
          with_header("CodingChunkedTwiceInOne", "Transfer-Encoding: chunked, chunked\r\n"),
          with_header("CodingIdentityThenChunked", "Transfer-Encoding: identity, chunked\r\n"),
          with_header("LengthWithNul", "Content-Length: 3\0\r\n"s),
          with_header("LengthTabInside", "Content-Length: 1\t2\r\n"),
          with_header("LengthDecimalPoint", "Content-Length: 3.0\r\n"),
          with_header("LengthExponent", "Content-Length: 3e0\r\n"),
          with_header("HostWithUser", "Host: a@b\r\n"),
          Case{"HostWithPath", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"},
          Case{"NulInTarget", "GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n"s},
          Case{"BlankInTarget", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n"},
          Case{"VersionLowerCase", "GET / http/1.1\r\nHost: x\r\n\r\n"},
          Case{"VersionTwoDigits", "GET / HTTP/1.11\r\nHost: x\r\n\r\n"},
          with_chunks("ChunkNegative", "-3\r\nabc\r\n0\r\n\r\n"),
          with_chunks("ChunkBareCr", "3\rabc\r\n0\r\n\r\n"),
          with_chunks("ChunkOverflow", "fffffffffffffffff\r\nabc\r\n0\r\n\r\n")};
}

}  // namespace

std::vector<SmugglingCase> smuggling_corpus() {
  std::vector<Case> all = heads();
  for (Case& more : chunks_and_disguises()) all.push_back(std::move(more));
  return all;
}

namespace {

class Smuggling : public testing::TestWithParam<Case> {};

TEST_P(Smuggling, IsMalformed) {
  Parser parser(8192, 4096);
  Request request;
  EXPECT_EQ(parser.parse(GetParam().bytes, request).outcome, ParseOutcome::kMalformed);
}

/// One world for all: each case leaves it as it was.
const DoorWorld& world() {
  static const DoorWorld kWorld;
  return kWorld;
}

void expect_400_and_closed(harness::RawConnection& connection) {
  const auto answer = connection.answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 400) << answer->head;
  EXPECT_EQ(answer->headers.at("connection"), "close");
  EXPECT_FALSE(connection.answer()) << "the smuggled request was answered";
  EXPECT_TRUE(connection.closed_by_server());
}

TEST_P(Smuggling, IsAnswered400AndClosedAndWhatFollowsIsNeverARequest) {
  harness::RawConnection connection(world().port());
  connection.send(GetParam().bytes + "GET /smuggled HTTP/1.1\r\nHost: x\r\nX-User-Id: 7\r\n\r\n");
  expect_400_and_closed(connection);
}

TEST_P(Smuggling, IsAnswered400BehindAGoodRequest) {
  harness::RawConnection connection(world().port());
  connection.send("GET /good HTTP/1.1\r\nHost: x\r\nX-User-Id: 7\r\n\r\n" + GetParam().bytes +
                  "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n");
  const auto good = connection.answer();
  ASSERT_TRUE(good);
  EXPECT_EQ(good->body, "7");
  expect_400_and_closed(connection);
}

INSTANTIATE_TEST_SUITE_P(Corpus, Smuggling, testing::ValuesIn(smuggling_corpus()),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace flashclaim::http
