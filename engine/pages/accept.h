// Whether a client wants HTML.
#pragma once

#include <string_view>

namespace flashclaim::pages {

/// True when the value of `Accept` names text/html itself, as browsers do for what they show (RFC 9110, 12.5.1), and
/// does not forbid it by q=0. A range such as */* is not enough: programs send it.
bool wants_html(std::string_view accept);

}  // namespace flashclaim::pages
