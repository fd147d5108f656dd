// Makes an item of a delivery, and judges items and batches.
#include "consumer/batch.h"

#include <algorithm>

#include "engine/amqp/topology.h"

namespace flashclaim::consumer {

std::string_view word(Fault fault) {
  switch (fault) {
    case Fault::kNone:
      return "none";
    case Fault::kUndecodable:
      return "undecodable";
    case Fault::kTooLarge:
      return "too_large";
    case Fault::kSqlData:
      return "sql_data";
    case Fault::kDamagedKey:
      return "damaged_key";
    case Fault::kIdConflict:
      return "id_conflict";
    case Fault::kMismatch:
      return "mismatch";
  }
  return "none";
}

bool hopeless(Fault fault) {
  return fault == Fault::kIdConflict || fault == Fault::kMismatch || fault == Fault::kTooLarge;
}

bool holds_its_entry(Fault fault) { return fault != Fault::kMismatch && fault != Fault::kTooLarge; }

void Item::fail(Fault why, std::string detail) {
  stage = Stage::kFaulty;
  fault = why;
  fault_detail = std::move(detail);
}

Item make_item(amqp::Delivery delivery) {
  Item item;
  item.delivery = std::move(delivery);
  if (item.delivery.dropped > 0) {
    item.fail(Fault::kTooLarge, "its body of " + std::to_string(item.delivery.dropped) + " bytes was not kept");
    return item;
  }
  auto message = mirror::decode(item.delivery.body, item.delivery.header(amqp::kChecksumHeader));
  if (message) {
    item.message = std::move(message).value();
  } else {
    item.fail(Fault::kUndecodable, message.error().message);
  }
  return item;
}

std::optional<EntryName> entry_name(const Item& item) {
  if (item.message) return EntryName{item.message->coupon_id, item.message->epoch, item.message->entry};
  // A message id is a claim id without the index.
  const auto claim = parse_claim_id(item.delivery.message_id + "-0");
  if (!claim) return std::nullopt;
  return EntryName{claim->coupon_id, claim->epoch, claim->entry};
}

std::uint64_t done_through(const Batch& batch) {
  std::uint64_t tag = 0;
  for (const Item& item : batch) {
    if (item.stage != Stage::kDone) break;
    tag = item.delivery.delivery_tag;
  }
  return tag;
}

bool all_done(const Batch& batch) {
  return std::all_of(batch.begin(), batch.end(), [](const Item& item) { return item.stage == Stage::kDone; });
}

}  // namespace flashclaim::consumer
