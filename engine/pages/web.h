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
/// nullptr: there is no file of that name.
inline const WebFile* web_file(std::string_view name) {
  for (const WebFile& one : web_files())
    if (one.name == name) return &one;
  return nullptr;
}
/// One version of all files together.
extern const std::string_view kWebVersion;

inline constexpr std::string_view kHtml = "text/html; charset=utf-8";
/// Allows our own scripts, styles and API only; no other page may put the button into a frame.
inline constexpr std::string_view kPolicy =
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'\r\n"
    "Referrer-Policy: no-referrer\r\nCross-Origin-Opener-Policy: same-origin\r\n";

}  // namespace flashclaim::pages
