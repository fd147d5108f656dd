// Named points at which a test build can be made to die, and guards that it can be made to leave out. In the build that
// ships both are nothing: no call, no environment variable, no byte of code.
#pragma once

namespace flashclaim {

#ifdef FLASHCLAIM_TEST_POINTS

/// Ends the process without any clean-up (_exit, like kill -9 here) when FLASHCLAIM_CRASH names this point:
/// `point:n[,point:n…]` means at the n-th time that the process passes it, all threads together. `name` is a literal.
/// Any thread.
void test_point(const char* name);

/// The same for a point in the middle of the call that follows: death comes at a random moment of the next `us_max`
/// microseconds. Any thread.
void test_point_during(const char* name, int us_max);

/// Whether FLASHCLAIM_WITHOUT (`guard[,guard…]`) takes out this guard: the negative control that shows that the checker
/// sees what the guard prevents. `name` is a literal. Any thread.
bool guard_removed(const char* name);

#else

constexpr void test_point(const char* /*name*/) {}
constexpr void test_point_during(const char* /*name*/, int /*us_max*/) {}
constexpr bool guard_removed(const char* /*name*/) { return false; }

#endif

}  // namespace flashclaim
