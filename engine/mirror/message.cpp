// The encoder is written by hand (the body has one shape); the decoder is simdjson's, read strictly.
#include "engine/mirror/message.h"

#include <simdjson.h>

#include <charconv>
#include <optional>

#include "engine/base/digest.h"

namespace flashclaim::mirror {
namespace {

constexpr std::int64_t kEpochMax = INT32_MAX;  // an integer of PostgreSQL

void append_number(std::string& out, std::int64_t number) {
  char digits[20];
  auto [end, error] = std::to_chars(digits, digits + sizeof digits, number);
  out.append(digits, end);
}

/// A parse that stops at the first thing that is not exactly as expected.
class Reader {
 public:
  explicit Reader(EntryMessage& into) : into_(into) {}

  /// Empty when the body is right, else what is wrong.
  std::string read(const simdjson::dom::element& root) {
    auto object = fields(root, {"v", "couponId", "epoch", "entryId", "claims"});
    if (!object) return "the body's fields are not v, couponId, epoch, entryId, claims";
    if (number((*object)["v"]) != 1) return "v is not 1";
    auto coupon = parse_id(text((*object)["couponId"]));
    if (!coupon) return "couponId is no id";
    auto epoch = number((*object)["epoch"]);
    if (!epoch || *epoch < 1 || *epoch > kEpochMax) return "epoch is no positive integer below 2^31";
    auto entry = parse_entry_id(text((*object)["entryId"]));
    if (!entry || entry->ms > kEntryMsMax) return "entryId is no entry id within PostgreSQL's time";
    into_.coupon_id = *coupon;
    into_.epoch = *epoch;
    into_.entry = *entry;
    simdjson::dom::array claims;
    if ((*object)["claims"].get(claims) != simdjson::SUCCESS) return "claims is no array";
    return read_claims(claims);
  }

 private:
  using Object = simdjson::dom::object;

  /// The object, if it has exactly these fields, each once, in this order.
  static std::optional<Object> fields(const simdjson::dom::element& element,
                                      std::initializer_list<std::string_view> names) {
    Object object;
    if (element.get(object) != simdjson::SUCCESS) return std::nullopt;
    const auto* name = names.begin();
    for (auto field : object)
      if (name == names.end() || field.key != *name++) return std::nullopt;
    return name == names.end() ? std::optional(object) : std::nullopt;
  }

  static std::string_view text(simdjson::simdjson_result<simdjson::dom::element> element) {
    std::string_view value;
    return element.get(value) == simdjson::SUCCESS ? value : std::string_view();
  }

  static std::optional<std::int64_t> number(simdjson::simdjson_result<simdjson::dom::element> element) {
    std::int64_t value = 0;
    if (element.get(value) != simdjson::SUCCESS) return std::nullopt;
    return value;
  }

  std::string read_claims(const simdjson::dom::array& claims) {
    for (const auto& claim : claims) {
      int index = static_cast<int>(into_.users.size());
      if (into_.users.size() == kClaimsMax) return "claims has too many elements";
      auto object = fields(claim, {"claimId", "userId", "index"});
      if (!object) return "a claim's fields are not claimId, userId, index";
      if (number((*object)["index"]) != index) return "index does not count from 0";
      if (text((*object)["claimId"]) != into_.claim_id(index).text()) return "claimId does not agree with the rest";
      auto user = parse_id(text((*object)["userId"]));
      if (!user) return "userId is no id";
      into_.users.push_back(*user);
    }
    return into_.users.empty() ? "claims is empty" : "";
  }

  EntryMessage& into_;
};

}  // namespace

std::string EntryMessage::message_id() const {
  return std::to_string(coupon_id) + '-' + std::to_string(epoch) + '-' + entry.text();
}

std::string EntryMessage::entry_checksum() const {
  std::string text;
  text.reserve(21 + 20 * users.size());
  append_number(text, epoch);
  for (std::size_t i = 0; i < users.size(); ++i) {
    text += i == 0 ? ' ' : ',';
    append_number(text, users[i]);
  }
  return checksum(text);
}

std::string encode(const EntryMessage& message) {
  constexpr std::size_t kClaimBytes = 120;
  std::string out;
  out.reserve(100 + kClaimBytes * message.users.size());
  const std::string prefix = message.message_id() + '-';
  out += R"({"v":1,"couponId":")";
  append_number(out, message.coupon_id);
  out += R"(","epoch":)";
  append_number(out, message.epoch);
  out += R"(,"entryId":")";
  out += message.entry.text();
  out += R"(","claims":[)";
  for (std::size_t i = 0; i < message.users.size(); ++i) {
    if (i > 0) out += ',';
    out += R"({"claimId":")";
    out += prefix;
    append_number(out, static_cast<std::int64_t>(i));
    out += R"(","userId":")";
    append_number(out, message.users[i]);
    out += R"(","index":)";
    append_number(out, static_cast<std::int64_t>(i));
    out += '}';
  }
  out += "]}";
  return out;
}

Result<EntryMessage> decode(std::string_view body, std::string_view body_checksum) {
  if (checksum(body) != body_checksum) return failure("the checksum is not that of the body");
  thread_local simdjson::dom::parser parser;
  simdjson::dom::element root;
  if (parser.parse(body.data(), body.size()).get(root) != simdjson::SUCCESS) return failure("the body is no JSON");
  EntryMessage message;
  auto wrong = Reader(message).read(root);
  if (!wrong.empty()) return failure(std::move(wrong));
  return message;
}

Result<EntryMessage> parse_entry(std::int64_t coupon_id, EntryId entry, std::string_view epoch, std::string_view users,
                                 std::string_view entry_checksum) {
  std::string signed_text;
  signed_text.reserve(epoch.size() + 1 + users.size());
  signed_text.append(epoch).append(1, ' ').append(users);
  if (checksum(signed_text) != entry_checksum) return failure("the checksum is not that of the entry");
  if (entry.ms > kEntryMsMax) return failure("the entry id is beyond PostgreSQL's time");
  auto number = parse_id(epoch);
  if (!number || *number > kEpochMax) return failure("the epoch is no positive integer below 2^31");
  EntryMessage message{coupon_id, *number, entry, {}};
  while (true) {
    auto comma = users.find(',');
    auto user = parse_id(users.substr(0, comma));
    if (!user) return failure("a user is no id");
    if (message.users.size() == kClaimsMax) return failure("the entry has too many users");
    message.users.push_back(*user);
    if (comma == std::string_view::npos) return message;
    users.remove_prefix(comma + 1);
  }
}

}  // namespace flashclaim::mirror
