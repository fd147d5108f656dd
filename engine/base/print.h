// What a program says on stdout, and whether it came through.
#pragma once

#include <string_view>

namespace flashclaim {

/// Writes all of it and flushes. False when it could not be written (a full disk, a closed pipe); stderr was told, and
/// whoever calls it ends with a failure: a result that nobody got is none.
bool print(std::string_view text);

}  // namespace flashclaim
