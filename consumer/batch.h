// The messages that a worker settles together, and the stage of each.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/amqp/connection.h"
#include "engine/mirror/message.h"
#include "engine/redis/functions.h"

namespace flashclaim::consumer {

/// Where a message stands. Every arrow is one step of the worker. When a service is away, the step leaves the message
/// where it is, and is tried again.
///
///   kReceived --settle--> kSettled --finish--> kDone --ack--> (gone)
///     | |                     |                  ^
///     | +------ fault --------+--> kFaulty ------+ retry queue, or DLQ
///     +-- look: finished before -----------------+
enum class Stage {
  kReceived,  ///< decoded; the database has not been asked, or its answer is unknown
  kSettled,   ///< every claim has its final outcome in the database
  kFaulty,    ///< at fault itself: to be sent to a retry queue, or to the DLQ
  kDone,      ///< may be acknowledged
};

/// Why a message cannot be settled or finished, though every service works.
enum class Fault {
  kNone,
  kUndecodable,  ///< not our JSON, or not what its checksum says
  kTooLarge,     ///< a body larger than any of ours: it was dropped while it was received
  kSqlData,      ///< the database cannot take its values
  kDamagedKey,   ///< a key of its coupon holds garbage
  kIdConflict,   ///< another user has one of its claim ids
  kMismatch,     ///< its entry is in the stream, but is not what the message says
};
std::string_view word(Fault fault);
/// True when another try cannot help: the message goes straight to the DLQ, not through the retry queues.
bool hopeless(Fault fault);
/// True when this faulty message may be its entry's only one: then the entry is marked dead too. False for a message
/// that only claims to be about the entry.
bool holds_its_entry(Fault fault);

struct Item {
  amqp::Delivery delivery;
  std::optional<mirror::EntryMessage> message;  ///< absent when undecodable
  Stage stage = Stage::kReceived;
  Fault fault = Fault::kNone;
  std::string fault_detail;
  /// True when this worker decided one of its claims just now, or may have: a lost answer of the database counts.
  bool fresh = false;
  std::vector<redis::Refused> refused;  ///< of kSettled
  /// Redis has been asked about the entry, and the answer allows the item to be settled and finished.
  bool looked_up = false;
  bool entry_unknown = false;  ///< Redis does not know the entry

  [[nodiscard]] int claims() const { return message ? static_cast<int>(message->users.size()) : 0; }
  void fail(Fault why, std::string detail);
};

/// Decodes: an undecodable delivery becomes kFaulty, never an error.
Item make_item(amqp::Delivery delivery);

struct EntryName {
  std::int64_t coupon_id = 0;
  std::int64_t epoch = 0;
  EntryId entry;
};
/// The entry that the item is about: from the message, else from its message_id; nullopt when neither can be read.
std::optional<EntryName> entry_name(const Item& item);

/// In the order of their delivery tags, as AMQP delivered them.
using Batch = std::vector<Item>;

/// The delivery tag up to which everything is done, counted from the batch's front; 0 when its first item is not.
std::uint64_t done_through(const Batch& batch);
bool all_done(const Batch& batch);

}  // namespace flashclaim::consumer
