// Errors that come with every request, message or coupon: one line a second, with a count.
#pragma once

#include <span>

#include "engine/base/log.h"

namespace flashclaim {

/// As log(), with fields that were kept.
void log_fields(LogLevel level, std::string_view room, std::string_view event, std::span<const Field> fields);

/// As log(), but of the same room and event at most one line a second: the first at once, later ones as one line with
/// the fields of the first of them and `times=N`, how many it stands for. Any thread; takes a lock.
void log_repeated(LogLevel level, std::string_view room, std::string_view event,
                  std::initializer_list<Field> fields = {});

/// Writes what log_repeated() held back for a second or longer (`all`: whatever it held back). A process calls it about
/// every second, and with `all` at its end. Any thread.
void flush_repeated(bool all = false);

}  // namespace flashclaim
