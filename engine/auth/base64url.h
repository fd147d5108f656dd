// base64url as JSON Web Tokens have it: no padding, no blanks, one text for each value.
#pragma once

#include <string>
#include <string_view>

namespace flashclaim::auth {

/// Appends what the text stands for. False when it is not base64url, or not the one canonical text of its value.
bool append_base64url(std::string& out, std::string_view text);

}  // namespace flashclaim::auth
