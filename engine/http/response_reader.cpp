// llhttp's callbacks on one side, the listener on the other; header names and values may come in pieces.
#include "engine/http/response_reader.h"

#include <llhttp.h>

namespace flashclaim::http {

struct ResponseReader::State {
  explicit State(Listener& l) : listener(l) {}

  static State& of(llhttp_t* parser) { return *static_cast<State*>(parser->data); }

  Listener& listener;
  llhttp_t parser{};
  std::string name;
  std::string value;
};

namespace {

template <class State>
llhttp_settings_t callbacks() {
  llhttp_settings_t settings{};
  llhttp_settings_init(&settings);
  settings.on_message_begin = [](llhttp_t* parser) noexcept { return State::of(parser).listener.begins() ? 0 : -1; };
  settings.on_header_field = [](llhttp_t* parser, const char* at, std::size_t size) noexcept {
    State::of(parser).name.append(at, size);
    return 0;
  };
  settings.on_header_value = [](llhttp_t* parser, const char* at, std::size_t size) noexcept {
    State::of(parser).value.append(at, size);
    return 0;
  };
  settings.on_header_value_complete = [](llhttp_t* parser) noexcept {
    State& state = State::of(parser);
    state.listener.header(state.name, state.value);
    state.name.clear();
    state.value.clear();
    return 0;
  };
  settings.on_body = [](llhttp_t* parser, const char* at, std::size_t size) noexcept {
    return State::of(parser).listener.body({at, size}) ? 0 : -1;
  };
  settings.on_message_complete = [](llhttp_t* parser) noexcept {
    const bool interim = parser->status_code >= 100 && parser->status_code < 200;
    if (!interim) State::of(parser).listener.complete(parser->status_code, llhttp_should_keep_alive(parser) != 0);
    return 0;
  };
  return settings;
}

}  // namespace

ResponseReader::ResponseReader(Listener& listener) : state_(std::make_unique<State>(listener)) { reset(); }
ResponseReader::~ResponseReader() = default;

void ResponseReader::reset() {
  static const llhttp_settings_t kSettings = callbacks<State>();
  state_->name.clear();
  state_->value.clear();
  llhttp_init(&state_->parser, HTTP_RESPONSE, &kSettings);
  state_->parser.data = state_.get();
}

std::string ResponseReader::read(std::string_view bytes) {
  const llhttp_errno_t code = llhttp_execute(&state_->parser, bytes.data(), bytes.size());
  if (code == HPE_OK) return {};
  if (code == HPE_CLOSED_CONNECTION) return "bytes after an answer that closes the connection";
  return std::string("an answer that is no HTTP: ") + llhttp_errno_name(code);
}

void ResponseReader::end() { llhttp_finish(&state_->parser); }

}  // namespace flashclaim::http
