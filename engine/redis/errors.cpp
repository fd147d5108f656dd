// The table, in the order of what a caller does about it. Words: redis.io/docs, Redis' src/server.c,
// lua/10_arguments.lua.
#include "engine/redis/errors.h"

namespace flashclaim::redis {
namespace {

struct Row {
  std::string_view begins;  ///< a whole first word, unless there is a blank in it
  ErrorMeaning meaning;
};
constexpr Row kTable[] = {
    {"OOM", {About::kServer, ErrorCode::kOverloaded}},          // at maxmemory
    {"BUSY", {About::kServer, ErrorCode::kOverloaded}},         // another script runs for too long
    {"MISCONF", {About::kServer, ErrorCode::kNotServing}},      // the disk does not take writes
    {"CLUSTERDOWN", {About::kServer, ErrorCode::kNotServing}},  // slots without a primary
    {"TRYAGAIN", {About::kServer, ErrorCode::kNotServing}},     // keys of one slot on two nodes, while it moves
    {"LOADING", {About::kSession, ErrorCode::kNotServing}},     // it reads its data: started, or follows another
    {"MASTERDOWN", {About::kSession, ErrorCode::kNotServing}},  // a replica that lost its primary
    {"NOREPLICAS", {About::kSession, ErrorCode::kNotServing}},  // min-replicas-to-write: maybe left by the others
    {"READONLY", {About::kSession, ErrorCode::kWrongServer}},   // it is a replica now
    {"UNBLOCKED", {About::kCall, ErrorCode::kMissing}},         // a stream went while it was waited for
    {"MOVED", {About::kElsewhere, ErrorCode::kWrongServer}},    // another node has the slot
    {"ASK", {About::kElsewhere, ErrorCode::kWrongServer}},      // another node is given the slot now
    {"NOAUTH", {About::kSession, ErrorCode::kDenied}},          // it has forgotten who this is
    {"WRONGPASS", {About::kLogin, ErrorCode::kDenied}},         //
    {"NOPERM", {About::kLogin, ErrorCode::kDenied}},            //
    {"ERR Function not found", {About::kServer, ErrorCode::kMissing}},  // the library is not loaded
    {"NOGROUP", {About::kCall, ErrorCode::kMissing}},                   // no stream, or no consumer group
    {"ARGUMENT", {About::kCall, ErrorCode::kBadArgument}},              // the library: before it read a key
    {"CROSSSLOT", {About::kCall, ErrorCode::kBadArgument}},             // keys of one call in two slots
    {"DAMAGED", {About::kCall, ErrorCode::kDamaged}},                   // the library: before its first write
    {"WRONGTYPE", {About::kCall, ErrorCode::kDamaged}},                 // a command on a key of another type
};

std::optional<ErrorMeaning> meaning_of_reply(const ReplyView& reply) {
  return reply.is_error() ? meaning_of(reply.text()) : std::nullopt;
}

}  // namespace

std::optional<ErrorMeaning> meaning_of(std::string_view text) {
  for (const Row& row : kTable) {
    if (!text.starts_with(row.begins)) continue;
    if (text.size() == row.begins.size() || text[row.begins.size()] == ' ') return row.meaning;
  }
  return std::nullopt;
}

Error error_of(const ReplyView& reply) {
  return failure(meaning_of_reply(reply).value_or(ErrorMeaning{}).code, std::string(reply.text()));
}

bool is_about_the_session(const ReplyView& reply) {
  const auto meaning = meaning_of_reply(reply);
  return meaning && meaning->about == About::kSession;
}

bool is_about_all(const ReplyView& reply) {
  const auto meaning = meaning_of_reply(reply);
  return meaning && meaning->about != About::kCall;
}

bool is_denied(const ReplyView& reply) {
  const auto meaning = meaning_of_reply(reply);
  return meaning && meaning->about == About::kLogin;
}

bool is_damaged(const Error& error) { return !error.unknown() && error.code == ErrorCode::kDamaged; }

bool is_about_the_call(const Error& error) {
  return !error.unknown() && (error.code == ErrorCode::kDamaged || error.code == ErrorCode::kBadArgument);
}

}  // namespace flashclaim::redis
