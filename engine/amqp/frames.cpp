// No socket is ever given to librabbitmq, so nothing in it can wait.
#include "engine/amqp/frames.h"

#include <algorithm>
#include <cassert>
#include <new>
#include <utility>

#include "engine/amqp/header_check.h"

namespace flashclaim::amqp {
namespace {

void append_integer(std::string& out, std::uint64_t value, int size) {
  for (int shift = 8 * (size - 1); shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
}

void begin_frame(std::string& out, int type, amqp_channel_t channel, std::size_t size) {
  append_integer(out, static_cast<std::uint64_t>(type), 1);
  append_integer(out, channel, 2);
  append_integer(out, size, 4);
}

void end_frame(std::string& out) { out += static_cast<char>(AMQP_FRAME_END); }

constexpr std::size_t kFrameHead = 7;              // type, channel, size
constexpr std::size_t kOverhead = kFrameHead + 1;  // of one frame: and 1 byte behind it
constexpr std::size_t kContentHead = 14;           // class, weight, size of the body, flags
constexpr int kAddedByTheBroker = 65'536;

/// An integer field's value; nullopt for other kinds.
std::optional<std::int64_t> integer_of(const amqp_field_value_t& value) {
  switch (value.kind) {
    case AMQP_FIELD_KIND_I8:
      return value.value.i8;
    case AMQP_FIELD_KIND_U8:
      return value.value.u8;
    case AMQP_FIELD_KIND_I16:
      return value.value.i16;
    case AMQP_FIELD_KIND_U16:
      return value.value.u16;
    case AMQP_FIELD_KIND_I32:
      return value.value.i32;
    case AMQP_FIELD_KIND_U32:
      return value.value.u32;
    case AMQP_FIELD_KIND_I64:
      return value.value.i64;
    default:
      return std::nullopt;
  }
}

}  // namespace

amqp_bytes_t bytes_of(std::string_view text) { return {text.size(), const_cast<char*>(text.data())}; }

std::string text_of(amqp_bytes_t bytes) {
  return bytes.len == 0 ? std::string() : std::string(static_cast<const char*>(bytes.bytes), bytes.len);
}

amqp_table_entry_t text_entry(const char* key, std::string_view value) {
  amqp_table_entry_t entry{};
  entry.key = amqp_cstring_bytes(key);
  entry.value.kind = AMQP_FIELD_KIND_UTF8;
  entry.value.value.bytes = bytes_of(value);
  return entry;
}

amqp_table_entry_t bool_entry(const char* key, bool value) {
  amqp_table_entry_t entry{};
  entry.key = amqp_cstring_bytes(key);
  entry.value.kind = AMQP_FIELD_KIND_BOOLEAN;
  entry.value.value.boolean = value;
  return entry;
}

amqp_table_entry_t integer_entry(const char* key, std::int64_t value) {
  amqp_table_entry_t entry{};
  entry.key = amqp_cstring_bytes(key);
  entry.value.kind = AMQP_FIELD_KIND_I64;
  entry.value.value.i64 = value;
  return entry;
}

amqp_table_entry_t table_entry(const char* key, amqp_table_t value) {
  amqp_table_entry_t entry{};
  entry.key = amqp_cstring_bytes(key);
  entry.value.kind = AMQP_FIELD_KIND_TABLE;
  entry.value.value.table = value;
  return entry;
}

amqp_table_t table_of(std::vector<amqp_table_entry_t>& entries) {
  return {static_cast<int>(entries.size()), entries.data()};
}

Headers headers_of(const amqp_basic_properties_t& properties) {
  constexpr std::size_t kHeadersMax = 32;
  constexpr std::size_t kValueMax = 1024;
  Headers headers;
  if ((properties._flags & AMQP_BASIC_HEADERS_FLAG) == 0) return headers;
  for (int i = 0; i < properties.headers.num_entries && headers.size() < kHeadersMax; ++i) {
    const amqp_table_entry_t& entry = properties.headers.entries[i];
    if (entry.value.kind == AMQP_FIELD_KIND_UTF8) {
      if (entry.value.value.bytes.len > kValueMax) continue;
      headers.emplace_back(text_of(entry.key), text_of(entry.value.value.bytes));
    } else if (auto integer = integer_of(entry.value)) {
      headers.emplace_back(text_of(entry.key), std::to_string(*integer));
    }
  }
  return headers;
}

Result<void> FrameWriter::method(std::string& out, amqp_channel_t channel, amqp_method_number_t id, void* decoded) {
  amqp_bytes_t room{scratch_.size(), scratch_.data()};
  int size = amqp_encode_method(id, decoded, room);
  if (size < 0) return failure(std::string("cannot encode a method: ") + amqp_error_string2(size));
  if (static_cast<std::size_t>(size) + 4 + kOverhead > frame_max_)
    return failure("a method is too large for one frame");
  begin_frame(out, AMQP_FRAME_METHOD, channel, static_cast<std::size_t>(size) + 4);
  append_integer(out, id, 4);
  out.append(scratch_.data(), static_cast<std::size_t>(size));
  end_frame(out);
  return {};
}

Result<void> FrameWriter::content(std::string& out, amqp_channel_t channel, amqp_basic_properties_t& properties,
                                  std::string_view body) {
  amqp_bytes_t room{scratch_.size(), scratch_.data()};
  int size = amqp_encode_properties(AMQP_BASIC_CLASS, &properties, room);
  if (size < 0) return failure(std::string("cannot encode a header: ") + amqp_error_string2(size));
  if (static_cast<std::size_t>(size) + 12 + kOverhead > frame_max_)
    return failure("headers are too large for one frame");
  begin_frame(out, AMQP_FRAME_HEADER, channel, static_cast<std::size_t>(size) + 12);
  append_integer(out, AMQP_BASIC_CLASS, 2);
  append_integer(out, 0, 2);  // weight, unused
  append_integer(out, body.size(), 8);
  out.append(scratch_.data(), static_cast<std::size_t>(size));
  end_frame(out);
  for (std::size_t at = 0; at < body.size();) {
    auto part = body.substr(at, frame_max_ - kOverhead);
    begin_frame(out, AMQP_FRAME_BODY, channel, part.size());
    out += part;
    end_frame(out);
    at += part.size();
  }
  return {};
}

void FrameWriter::heartbeat(std::string& out) {
  begin_frame(out, AMQP_FRAME_HEARTBEAT, 0, 0);
  end_frame(out);
}

FrameReader::FrameReader() : state_(amqp_new_connection()) {
  if (!state_) throw std::bad_alloc();
}

Result<void> FrameReader::decode(std::string_view bytes, const Callback& callback) {
  while (!bytes.empty()) {
    amqp_frame_t frame;
    int used = amqp_handle_input(state_.get(), bytes_of(bytes), &frame);
    if (used < 0) return failure(std::string("the broker sent no valid frame: ") + amqp_error_string2(used));
    bytes.remove_prefix(static_cast<std::size_t>(used));
    if (frame.frame_type == 0) continue;
    auto handled = callback(frame);
    amqp_maybe_release_buffers_on_channel(state_.get(), frame.channel);
    if (!handled) return handled;
  }
  return {};
}

/// The header frame that is held, as it may be decoded.
std::string FrameReader::checked_header() {
  std::string frame = std::exchange(held_, {});
  const auto payload = std::string_view(frame).substr(kFrameHead, frame.size() - kOverhead);
  if (may_be_decoded(payload)) return frame;
  const std::string bare = without_properties(payload);
  std::string changed = frame.substr(0, 3);
  append_integer(changed, bare.size(), 4);
  changed += bare;
  changed += frame.back();
  return changed;
}

// Content headers are collected and looked at; everything else goes through as it comes.
Result<void> FrameReader::feed(std::string_view bytes, const Callback& callback) {
  const auto collect = [&](std::size_t size) {
    const auto part = bytes.substr(0, size - std::min(size, held_.size()));
    held_ += part;
    bytes.remove_prefix(part.size());
    return held_.size() >= size;
  };
  while (!bytes.empty()) {
    if (through_ > 0) {
      const auto part = bytes.substr(0, through_);
      bytes.remove_prefix(part.size());
      through_ -= part.size();
      if (auto done = decode(part, callback); !done) return done;
      continue;
    }
    if (!collect(kFrameHead)) return {};
    std::size_t size = 0;
    for (std::size_t i = 3; i < kFrameHead; ++i) size = size << 8 | static_cast<unsigned char>(held_[i]);
    const bool header = held_[0] == AMQP_FRAME_HEADER && size >= kContentHead && size <= kFrameMax + kAddedByTheBroker;
    if (header && !collect(size + kOverhead)) return {};
    // A broker that speaks another protocol answers with the name of its own, which is no frame.
    if (!header) through_ = held_[0] == 'A' ? std::string_view::npos : size + 1;
    const std::string frame = header ? checked_header() : std::exchange(held_, {});
    if (auto done = decode(frame, callback); !done) return done;
  }
  return {};
}

// RabbitMQ adds headers to what it delivers again (x-delivery-count, x-death) without looking at the agreed size: a
// sender could otherwise make a message that ends every connection that it is delivered to.
void FrameReader::tune(int channel_max, int frame_max) {
  [[maybe_unused]] int status = amqp_tune_connection(state_.get(), channel_max, frame_max + kAddedByTheBroker, 0);
  assert(status == AMQP_STATUS_OK);
}

}  // namespace flashclaim::amqp
