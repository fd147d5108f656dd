// What `finish` says on the channel of a coupon when an entry has its outcomes (lua/30_finish.lua).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/base/ids.h"
#include "engine/redis/functions.h"

namespace flashclaim::redis {

/// The shard channel of a coupon's finished entries.
std::string finished_channel(std::int64_t coupon_id);
/// The coupon of such a channel.
std::optional<std::int64_t> coupon_of_channel(std::string_view channel);

/// A message on it, as views into its bytes.
struct Finished {
  EntryId entry;
  std::int64_t epoch = 0;
  std::string_view users;     ///< joined by ','
  std::string_view outcomes;  ///< as many
};
std::optional<Finished> parse_finished(std::string_view payload);

/// What became of the claim at `index` of the entry; nullopt: the entry has no such claim, or the message is damaged.
std::optional<ClaimView> outcome_of(const Finished& finished, int index);

}  // namespace flashclaim::redis
