// Whether the properties of a message may be given to librabbitmq, whose decoder calls itself for each table in a
// table.
#pragma once

#include <string>
#include <string_view>

namespace flashclaim::amqp {

/// Tables and arrays in each other that are read: nothing that is ours has more than three.
inline constexpr int kNestingMax = 64;

/// Whether the headers of a content header's payload (class, weight, size, flags, properties) are nested no deeper than
/// kNestingMax and whole. Costs a look at each field, and no stack.
bool may_be_decoded(std::string_view header_payload);

/// The same content header without any property: a message without them is one of a fault of its own.
std::string without_properties(std::string_view header_payload);

}  // namespace flashclaim::amqp
