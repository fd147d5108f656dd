// What llhttp 8.1 accepts and we refuse: bare LF, obs-fold, control bytes, blanks around a header's name,
// a missing or repeated Host, a signed or repeated Content-Length, any Transfer-Encoding but one `chunked`.
#include "engine/http/parser.h"

#include <llhttp.h>

#include <optional>

#include "engine/http/characters.h"
#include "engine/http/chunks.h"

namespace flashclaim::http {
namespace {

struct Head {
  Request* request;
  bool too_many_headers = false;
};

Head& head_of(llhttp_t* parser) { return *static_cast<Head*>(parser->data); }

int on_url(llhttp_t* parser, const char* at, std::size_t size) {
  head_of(parser).request->path = {at, size};
  return 0;
}
int on_header_field(llhttp_t* parser, const char* at, std::size_t size) {
  Head& head = head_of(parser);
  if (head.request->headers_n == Request::kHeadersMax) {
    head.too_many_headers = true;
    return HPE_USER;
  }
  head.request->headers[head.request->headers_n++] = {{at, size}, {}};
  return 0;
}
int on_header_value(llhttp_t* parser, const char* at, std::size_t size) {
  Request& request = *head_of(parser).request;
  while (size > 0 && (at[size - 1] == ' ' || at[size - 1] == '\t')) --size;
  request.headers[request.headers_n - 1].value = {at, size};
  return 0;
}
int on_headers_complete(llhttp_t*) { return HPE_PAUSED; }  // the body is read by us

const llhttp_settings_t& settings() {
  static const llhttp_settings_t kSettings = [] {
    llhttp_settings_t made;
    llhttp_settings_init(&made);
    made.on_url = on_url;
    made.on_header_field = on_header_field;
    made.on_header_value = on_header_value;
    made.on_headers_complete = on_headers_complete;
    return made;
  }();
  return kSettings;
}

/// Every line ends in CRLF, none begins with a blank (obs-fold), and no other control byte but TAB occurs.
bool clean_lines(std::string_view head) {
  for (std::size_t i = 0; i < head.size(); ++i) {
    if (is_text(head[i])) continue;
    if (head[i] != '\r' || i + 1 >= head.size() || head[i + 1] != '\n') return false;
    ++i;
    if (i + 1 < head.size() && (head[i + 1] == ' ' || head[i + 1] == '\t')) return false;
  }
  return true;
}

bool is_digits(std::string_view text) {
  for (char c : text)
    if (c < '0' || c > '9') return false;
  return !text.empty() && text.size() <= 10;
}

Method method_of(std::uint8_t method) {
  switch (method) {
    case HTTP_GET:
      return Method::kGet;
    case HTTP_HEAD:
      return Method::kHead;
    case HTTP_POST:
      return Method::kPost;
    case HTTP_OPTIONS:
      return Method::kOptions;
    default:
      return Method::kOther;
  }
}

/// Splits the target into path and query; takes origin-form, absolute-form and `OPTIONS *`.
bool split_target(Request& request) {
  std::string_view target = request.path;
  for (std::string_view scheme : {"http://", "https://"}) {
    if (target.size() <= scheme.size() || !equals_ignoring_case(target.substr(0, scheme.size()), scheme)) continue;
    auto slash = target.find_first_of("/?", scheme.size());
    target = slash == std::string_view::npos ? "/" : target.substr(slash);
    break;
  }
  if (auto mark = target.find('?'); mark != std::string_view::npos) {
    request.query = target.substr(mark + 1);
    target = target.substr(0, mark);
    if (target.empty()) target = "/";
  }
  request.path = target;
  return target[0] == '/' || (target == "*" && request.method == Method::kOptions);
}

/// The headers that say where a message ends and whom it is for.
struct Framing {
  int hosts = 0;
  int lengths = 0;
  int codings = 0;
  std::string_view length;
  std::string_view coding;
  bool expects_continue = false;
};

std::optional<Framing> framing_of(const Request& request) {
  Framing framing;
  for (std::size_t i = 0; i < request.headers_n; ++i) {
    const Header& header = request.headers[i];
    if (!is_token(header.name)) return std::nullopt;
    if (equals_ignoring_case(header.name, "host")) {
      ++framing.hosts;
      if (header.value.find_first_of(" \t,/@") != std::string_view::npos) return std::nullopt;
    } else if (equals_ignoring_case(header.name, "content-length")) {
      ++framing.lengths;
      framing.length = header.value;
    } else if (equals_ignoring_case(header.name, "transfer-encoding")) {
      ++framing.codings;
      framing.coding = header.value;
    } else if (equals_ignoring_case(header.name, "expect")) {
      framing.expects_continue = equals_ignoring_case(header.value, "100-continue");
    }
  }
  return framing;
}

bool sound(const Framing& framing, int minor_version) {
  if (framing.hosts > 1 || (minor_version == 1 && framing.hosts == 0)) return false;
  if (framing.lengths > 1 || (framing.lengths == 1 && !is_digits(framing.length))) return false;
  if (framing.codings == 0) return true;
  return framing.codings == 1 && framing.lengths == 0 && minor_version == 1 &&
         equals_ignoring_case(framing.coding, "chunked");
}

std::size_t to_size(std::string_view digits) {
  std::size_t value = 0;
  for (char c : digits) value = value * 10 + static_cast<std::size_t>(c - '0');
  return value;
}

}  // namespace

bool equals_ignoring_case(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    if (c != lower[i]) return false;
  }
  return true;
}

HeaderMatch Request::header(std::string_view name) const {
  HeaderMatch match;
  for (std::size_t i = 0; i < headers_n; ++i) {
    if (!equals_ignoring_case(headers[i].name, name)) continue;
    if (match.count++ == 0) match.value = headers[i].value;
  }
  return match;
}

Parser::Parser(std::size_t header_bytes_max, std::size_t body_bytes_max)
    : header_bytes_max_(header_bytes_max), body_bytes_max_(body_bytes_max) {}

/// A body of chunks of one byte, each with a size of 8 digits, is the longest.
std::size_t Parser::bytes_max() const { return header_bytes_max_ + 13 * body_bytes_max_ + 2 * kChunkExtrasMax; }

Parsed Parser::parse(std::string_view bytes, Request& request) {
  request.headers_n = 0;
  request.path = request.path_as_sent = request.query = request.body = {};
  Head head{&request};
  llhttp_t parser;
  llhttp_init(&parser, HTTP_REQUEST, &settings());
  parser.data = &head;
  std::string_view window = bytes.substr(0, header_bytes_max_);
  llhttp_errno_t error = llhttp_execute(&parser, window.data(), window.size());
  if (head.too_many_headers) return {ParseOutcome::kHeadersTooLarge};
  if (error == HPE_OK)
    return {window.size() < header_bytes_max_ ? ParseOutcome::kIncomplete : ParseOutcome::kHeadersTooLarge};
  if (error != HPE_PAUSED) return {ParseOutcome::kMalformed};

  auto head_bytes = static_cast<std::size_t>(llhttp_get_error_pos(&parser) - bytes.data());
  if (!clean_lines(bytes.substr(0, head_bytes))) return {ParseOutcome::kMalformed};
  if (parser.http_major != 1 || parser.http_minor > 1) return {ParseOutcome::kMalformed};
  request.method = method_of(parser.method);
  // llhttp keeps a connection of HTTP/1.0 that says both; RFC 9112, 9.3: `close` is stronger.
  request.keep_alive = llhttp_should_keep_alive(&parser) != 0 && (parser.flags & F_CONNECTION_CLOSE) == 0;
  request.http10 = parser.http_minor == 0;
  if (!split_target(request)) return {ParseOutcome::kMalformed};
  request.path_as_sent = request.path;
  normalise(request);
  auto framing = framing_of(request);
  if (!framing || !sound(*framing, parser.http_minor)) return {ParseOutcome::kMalformed};

  std::string_view rest = bytes.substr(head_bytes);
  bool wants_continue = framing->expects_continue && parser.http_minor == 1 && rest.empty();
  if (framing->codings == 1) {
    std::size_t used = 0;
    ParseOutcome outcome = decode_chunks(rest, body_bytes_max_, chunked_body_, used);
    request.body = chunked_body_;
    return {outcome, head_bytes + used, outcome == ParseOutcome::kIncomplete && wants_continue};
  }
  std::size_t length = framing->lengths == 1 ? to_size(framing->length) : 0;
  if (length > body_bytes_max_) return {ParseOutcome::kBodyTooLarge};
  if (rest.size() < length) return {ParseOutcome::kIncomplete, 0, wants_continue};
  request.body = rest.substr(0, length);
  return {ParseOutcome::kRequest, head_bytes + length};
}

/// RFC 3986, 6.2.2.2: a target that says the same in two ways is read in one. Anything else that is encoded stays as it
/// was sent, and no route has it.
void Parser::normalise(Request& request) {
  const auto encoded = [](std::string_view text) { return text.find('%') != std::string_view::npos; };
  if (!encoded(request.path) && !encoded(request.query)) return;
  target_.clear();
  target_.reserve(request.path.size() + request.query.size());
  for (std::string_view* part : {&request.path, &request.query}) {
    const std::size_t begin = target_.size();
    for (std::size_t i = 0; i < part->size(); ++i) {
      const int high = i + 2 < part->size() && (*part)[i] == '%' ? hex_value((*part)[i + 1]) : -1;
      const int low = high < 0 ? -1 : hex_value((*part)[i + 2]);
      const char c = static_cast<char>(high << 4 | low);
      const bool plain = low >= 0 && is_unreserved(c);
      target_.push_back(plain ? c : (*part)[i]);
      if (plain) i += 2;
    }
    *part = std::string_view(target_).substr(begin);
  }
}

}  // namespace flashclaim::http
