// What nobody asserts and everybody must see: after each test of every suite, no service has denied anybody a right,
// and no program of ours has said that a person must act (level=error), unless the test announced it. Otherwise it
// fails.
//
// Read are Redis' ACL LOG, the logs of PostgreSQL and RabbitMQ, the logs of every Process and what run_program's
// programs wrote, a stack that `make up` started (stack_folder.h), and what rooms of the product log that run in the
// test's own process. They report themselves; a test does nothing but announce what it provokes.
//
// A line counts to the test in which it is read: the logs of a Process are read to their end when it is destroyed.
// RabbitMQ writes its log up to two seconds late: its line counts to a later test, or to the end of the suite, which
// waits for it; whoever announced it before answers for it.
#pragma once

#include <functional>
#include <string>

namespace flashclaim::harness {

/// Until the end of this test (in SetUp: of each) lines of level=error with this text in them are expected. They need
/// not come. Any thread.
void announce_error(const std::string& text);
/// The same for a right that a service denies, as the service words it: `NOPERM` of Redis is the reason and the object
/// of its ACL LOG. "" is every one.
void announce_denial(const std::string& text);

// For the harness.

/// From now on this log of a program of ours is read, at the end of each test, until `forget_log`, which reads it once
/// more. Any thread, as all of these.
void watch_log(const std::string& path);
void forget_log(const std::string& path);
/// What a program of ours has written that is gone already.
void judge_output(const std::string& program, const std::string& text);
/// The same for what a server has denied: one line in its log, and at Redis one in the ACL LOG that this URL may read.
/// `forget_server` reads no more: the server is gone.
void watch_server(const std::string& log, const std::string& redis_url = "");
void forget_server(const std::string& log);
/// Now, because the server is about to go, and what it remembers with it.
void look_at_server(const std::string& log);
/// Now, the end of a test.
void look_at_everything();

/// Where it was read, and the line.
using Finding = std::function<void(const std::string& where, const std::string& line)>;
/// From now on what nobody announced goes there, and no test fails. On any thread, one call at a time. nullptr: as
/// before.
void tell_findings_to(Finding finding);

}  // namespace flashclaim::harness
