// What a reader with a browser is shown when the door refuses a request.
#pragma once

#include <optional>

#include "engine/door/door.h"

namespace flashclaim::pages {

/// A page for who reads pages (GET or HEAD that asks for text/html itself): wait a moment, or the request was not in
/// order. nullopt for programs. A door::PageOf.
std::optional<door::Page> refusal_page(const http::Request& request, http::Problem problem);

}  // namespace flashclaim::pages
