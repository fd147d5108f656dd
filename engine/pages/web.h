// The files of the sale page, embedded at compile time.
#pragma once

#include <span>
#include <string_view>

namespace flashclaim::pages {

struct WebFile {
  std::string_view name;  ///< sale.html, missing.html, sale.css, sale.js
  std::string_view text;
};
std::span<const WebFile> web_files();
/// Of all of them together.
extern const std::string_view kWebVersion;

}  // namespace flashclaim::pages
