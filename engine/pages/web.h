// The files of the sale page, embedded at compile time.
#pragma once

#include <span>
#include <string_view>

namespace flashclaim::pages {

struct WebFile {
  std::string_view name;  ///< sale.html, missing.html, busy.html, refused.html, sale.css, sale.js
  std::string_view text;
};
std::span<const WebFile> web_files();
/// nullptr: there is none of that name.
inline const WebFile* web_file(std::string_view name) {
  for (const WebFile& one : web_files())
    if (one.name == name) return &one;
  return nullptr;
}
/// Of all of them together.
extern const std::string_view kWebVersion;

inline constexpr std::string_view kHtml = "text/html; charset=utf-8";
/// Nothing but our own scripts, styles and API; nobody frames the button.
inline constexpr std::string_view kPolicy =
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'\r\n"
    "Referrer-Policy: no-referrer\r\nCross-Origin-Opener-Policy: same-origin\r\n";

}  // namespace flashclaim::pages
