// Publishes a message whose properties no client of ours would write: AMQP 0-9-1 by hand.
#pragma once

#include <string>
#include <string_view>

namespace flashclaim::harness {

/// A field of a header table: its name, the letter of its kind, and its value as it stands on the wire.
std::string amqp_field(std::string_view name, char kind, std::string_view value);
/// A long string's value; also what an array or a table of these bytes is.
std::string amqp_long(std::string_view bytes);

/// The value of an array ('A') or a table ('F') in which such a one lies, and so on: `depth` of them.
std::string amqp_nested(char kind, int depth);

/// One message to `exchange` with `routing_key`, a header table of these fields and this body, and a close that the
/// broker has answered: it has taken it. Throws when anything else happens. The URL is
/// amqp://user:password@host:port/vhost.
void publish_raw(const std::string& amqp_url, std::string_view exchange, std::string_view routing_key,
                 std::string_view fields, std::string_view body);

}  // namespace flashclaim::harness
