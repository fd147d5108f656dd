// Result<T>: a value or the reason why there is none, with the member names of std::expected.
#pragma once

#include <string>
#include <utility>
#include <variant>

namespace flashclaim {

/// What kind of thing went wrong, where somebody decides by it. The rooms that speak to a service say it
/// (engine/redis/errors.h, the AMQP session, the PostgreSQL session).
enum class ErrorCode {
  kOther,        ///< none of these: there is only the text
  kOverloaded,   ///< the service is at a bound (memory, a script that runs): the same may succeed in a moment
  kNotServing,   ///< the service is there and takes no such request now: it loads, or its disk takes no writes
  kWrongServer,  ///< this server is not the one to ask (a replica, a moved slot): look the address up again
  kDenied,       ///< this login may not do that
  kMissing,      ///< what is called is not there: a function, a group, a queue
  kBadArgument,  ///< what was asked has no meaning: a bug of ours, or a message that nobody of ours wrote
  kDamaged,      ///< the data that it met is damaged: a person must look
};

/// kFailure: nothing happened at the other side, as far as can be known, or it said so.
/// kUnknown: the request was sent and its answer was lost: it may have been carried out. Never treat it as kFailure.
struct Error {
  enum class Kind { kFailure, kUnknown };
  Kind kind = Kind::kFailure;
  std::string message;  ///< for people; no code compares it
  ErrorCode code = ErrorCode::kOther;

  [[nodiscard]] bool unknown() const { return kind == Kind::kUnknown; }
};

inline Error failure(std::string message) { return {Error::Kind::kFailure, std::move(message)}; }
inline Error failure(ErrorCode code, std::string message) { return {Error::Kind::kFailure, std::move(message), code}; }
inline Error unknown(std::string message) { return {Error::Kind::kUnknown, std::move(message)}; }

/// A room with more to say about a failure than Error gives its own E (engine/postgres: SqlError).
template <class T, class E = Error>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit on purpose
  Result(E error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

  [[nodiscard]] bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  [[nodiscard]] const E& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, E> state_;
};

template <class E>
class [[nodiscard]] Result<void, E> {
 public:
  Result() = default;
  Result(E error) : error_(std::move(error)), ok_(false) {}  // NOLINT

  [[nodiscard]] bool has_value() const { return ok_; }
  explicit operator bool() const { return ok_; }
  void value() const {}
  [[nodiscard]] const E& error() const { return error_; }

 private:
  E error_;
  bool ok_ = true;
};

}  // namespace flashclaim
