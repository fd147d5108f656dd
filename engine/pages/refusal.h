// The HTML page for a browser whose request is refused before it reaches the site.
#pragma once

#include <optional>

#include "engine/auth/auth_filter.h"

namespace flashclaim::pages {

/// A page for browsers (GET or HEAD that asks for text/html itself): "wait a moment", or "the request was not in
/// order". nullopt for programs. An auth::PageOf.
std::optional<auth::Page> refusal_page(const http::Request& request, http::Problem problem);

}  // namespace flashclaim::pages
