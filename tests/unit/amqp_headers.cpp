// Properties of messages that only a hostile sender writes: nested without end, cut off, of kinds that there are not.
#include <gtest/gtest.h>

#include "engine/amqp/frames.h"
#include "engine/amqp/header_check.h"
#include "tests/harness/raw_amqp.h"

namespace flashclaim::amqp {
namespace {

using harness::amqp_field;
using harness::amqp_long;
using harness::amqp_nested;

/// A content header's payload whose headers are these fields.
std::string header(const std::string& fields) {
  return std::string("\x00\x3c\x00\x00", 4) + std::string(7, '\0') + '\x05' + std::string("\x20\x00", 2) +
         amqp_long(fields);
}
std::string frame(char type, const std::string& payload) {
  return std::string(1, type) + std::string("\x00\x01", 2) + amqp_long(payload) + '\xce';
}

TEST(AmqpHeaders, OfAnyDepthAreReadWithoutTheStackAndRefusedBeyondTheBound) {
  for (const char kind : {'A', 'F'}) {
    EXPECT_TRUE(may_be_decoded(header(amqp_field("a", kind, amqp_nested(kind, kNestingMax - 1)))));
    EXPECT_FALSE(may_be_decoded(header(amqp_field("a", kind, amqp_nested(kind, kNestingMax)))));
    EXPECT_FALSE(may_be_decoded(header(amqp_field("a", kind, amqp_nested(kind, 20'000)))));
  }
  std::string flat;
  for (int i = 0; i < 2 * kNestingMax; ++i) flat += amqp_field("a", 'F', amqp_long(amqp_field("b", 't', "x")));
  EXPECT_TRUE(may_be_decoded(header(flat)));
}

TEST(AmqpHeaders, ThatAreCutOffOrOfNoKindAreRefused) {
  const std::string whole = header(amqp_field("a", 'S', amqp_long("text")) + amqp_field("b", 'l', "12345678"));
  EXPECT_TRUE(may_be_decoded(whole));
  for (std::size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(may_be_decoded(whole.substr(0, size))) << size;
  EXPECT_FALSE(may_be_decoded(header(amqp_field("a", '?', "x"))));
  EXPECT_FALSE(may_be_decoded(header(amqp_field("a", 'A', std::string("\x00\x00\x00\x09", 4) + "t1"))));
}

TEST(AmqpHeaders, TooDeepOnesLeaveTheirMessageWithoutPropertiesHoweverTheBytesCome) {
  const std::string bad = frame(2, header(amqp_field("deep", 'A', amqp_nested('A', 20'000))));
  const std::string good = frame(2, header(amqp_field("x", 'S', amqp_long("y"))));
  const std::string stream = bad + frame(3, "12345") + good + frame(3, "67890");
  for (const std::size_t step : {std::size_t{1}, std::size_t{6}, std::size_t{4096}, stream.size()}) {
    FrameReader reader;
    const std::string tune("\x00\x0a\x00\x1e\x00\x01\x00\x02\x00\x00\x00\x00", 12);
    ASSERT_TRUE(reader.feed(frame(1, tune), [&](const amqp_frame_t&) {
      reader.tune(1, kFrameMax);
      return Result<void>();
    }));
    std::vector<Headers> headers;
    std::string bodies;
    for (std::size_t at = 0; at < stream.size(); at += step) {
      const auto fed = reader.feed(std::string_view(stream).substr(at, step), [&](const amqp_frame_t& seen) {
        if (seen.frame_type == AMQP_FRAME_HEADER) {
          const auto* decoded = static_cast<amqp_basic_properties_t*>(seen.payload.properties.decoded);
          EXPECT_EQ(seen.payload.properties.body_size, 5U);
          headers.push_back(headers_of(*decoded));
        } else if (seen.frame_type == AMQP_FRAME_BODY) {
          bodies += text_of(seen.payload.body_fragment);
        }
        return Result<void>();
      });
      ASSERT_TRUE(fed) << fed.error().message;
    }
    ASSERT_EQ(headers.size(), 2U) << step;
    EXPECT_TRUE(headers[0].empty());
    ASSERT_EQ(headers[1].size(), 1U);
    EXPECT_EQ(headers[1][0].second, "y");
    EXPECT_EQ(bodies, "1234567890");
  }
}

}  // namespace
}  // namespace flashclaim::amqp
