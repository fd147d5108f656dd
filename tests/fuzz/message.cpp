// Stream entries and messages: what is decoded can be encoded and comes back the same; what is made up survives the
// trip.
#include "engine/mirror/message.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "engine/base/digest.h"

using namespace flashclaim;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void there_and_back(const mirror::EntryMessage& message) {
  const auto body = mirror::encode(message);
  const auto again = mirror::decode(body, checksum(body));
  require(again && *again == message);
  require(!mirror::decode(body, "0123456789abcdef"));
}

std::int64_t number(const std::uint8_t*& data, std::size_t& size, std::int64_t least) {
  std::uint64_t value = 0;
  const std::size_t taken = std::min<std::size_t>(size, 8);
  std::memcpy(&value, data, taken);
  data += taken;
  size -= taken;
  return std::max<std::int64_t>(least, static_cast<std::int64_t>(value >> 1U));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const auto kind = data[0] % 3;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (kind == 0) {
    if (const auto message = mirror::decode(text, checksum(text))) there_and_back(*message);
  } else if (kind == 1) {
    const auto space = text.find(' ');
    const auto epoch = text.substr(0, space);
    const auto users = space == std::string::npos ? "" : text.substr(space + 1);
    const auto entry = mirror::parse_entry(42, {1795380024805, 7}, epoch, users, checksum(epoch + " " + users));
    if (entry) {
      std::string again;
      for (const auto user : entry->users) again += (again.empty() ? "" : ",") + std::to_string(user);
      require(std::to_string(entry->epoch) == epoch && again == users);
      there_and_back(*entry);
    }
  } else {
    ++data, --size;
    mirror::EntryMessage made;
    made.coupon_id = number(data, size, 1);
    made.epoch = 1 + number(data, size, 0) % INT32_MAX;
    made.entry = {number(data, size, 0) % (mirror::kEntryMsMax + 1), number(data, size, 0)};
    do made.users.push_back(number(data, size, 1));
    while (size > 0 && made.users.size() < mirror::kClaimsMax);
    there_and_back(made);
  }
  return 0;
}
