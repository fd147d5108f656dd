// What nobody asserts and everybody must see: after each test, no service has denied anybody a right, and no program of
// ours has said that a person must act (level=error), unless the test announced it. It is printed after `WITNESS: `; in
// a suite that demands it, the test fails.
//
// Read are Redis' ACL LOG, the logs of PostgreSQL and RabbitMQ, the logs of every Process, and what rooms of the
// product log that run in the test's own process. Services and programs of the harness report themselves; a test does
// nothing.
#pragma once

#include <string>

namespace flashclaim::harness {

class Service;

/// From now on a test of this process fails for what nobody announced.
void demand_witness();

/// Until the end of this test (in SetUp: of each) lines of level=error with this text in them are expected. They need
/// not come. Any thread.
void announce_error(const std::string& text);
/// The same for a right that a service denies, as the service words it: `NOPERM` of Redis is the reason and the object
/// of its ACL LOG. "" is every one.
void announce_denial(const std::string& text);

// For the harness.

/// From now on this log is read, at the end of each test, until `forget_log`, which reads it once more.
void watch_log(const std::string& path);
void forget_log(const std::string& path);
/// The same for what a service has denied.
void watch_service(const Service& service);
void forget_service(const Service& service);
/// Now, because the service is about to go and what it remembers with it.
void look_at_service(const Service& service);

}  // namespace flashclaim::harness
