// Parses Redis' replies about streams; private to this room.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "engine/mirror/stream_reader.h"

namespace flashclaim::mirror {

/// The coupon id between the braces of a stream's key.
std::optional<std::int64_t> coupon_of_key(std::string_view key);

/// Appends the entries of `[[id, [field, value, …]], …]`; a nil in place of the fields means that the entry is gone.
void append_entries(redis::ReplyView list, std::int64_t coupon_id, std::vector<Seen>& out);

/// The strict reader of one entry `[id, [field, value, …]]`, which every reader of entries goes through.
Result<Seen> read_entry(std::int64_t coupon_id, redis::ReplyView item);

/// Fills in the depth from XINFO STREAM; an error (no such key) leaves it empty.
void read_stream_info(redis::ReplyView stream, Depth& depth);

/// Fills in the depth from one group of XINFO GROUPS, if it is the mirror's.
void read_group_info(redis::ReplyView group, Depth& depth);

}  // namespace flashclaim::mirror
