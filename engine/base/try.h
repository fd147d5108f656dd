// The one way to pass an error on.
#pragma once

#include "engine/base/result.h"

/// The value of a Result; where it holds an error, the enclosing function returns that error:
///
///     const auto session = TRY(Session::connect(url));   // Result<unique_ptr<Session>> -> unique_ptr<Session>
///     TRY(session->ping());                              // Result<void>
///
/// A statement expression (GCC, clang), so that the value can be used in place. The enclosing function returns a Result
/// with the same type of error, or something that is made from one.
#define TRY(...)                                \
  __extension__({                               \
    auto&& try_result = (__VA_ARGS__);          \
    if (!try_result) return try_result.error(); \
    std::move(try_result).value();              \
  })
