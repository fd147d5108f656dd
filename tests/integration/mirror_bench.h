// A bench for the mirror: a running mirror, streams filled as the Lua library fills them, and what arrived in the
// queue.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "engine/amqp/connection.h"
#include "engine/mirror/message.h"
#include "engine/mirror/mirror.h"
#include "engine/redis/client.h"
#include "engine/redis/functions.h"
#include "tests/harness/services.h"
#include "tests/harness/wait.h"

namespace flashclaim::mirror {

/// Coupon id and entry id: one message of the queue, or one entry of a stream.
using EntryName = std::pair<std::int64_t, EntryId>;

/// A mirror with its thread, logged in as itself; stopped and joined at the end.
class RunningMirror {
 public:
  explicit RunningMirror(Options options);
  ~RunningMirror();
  void stop();
  [[nodiscard]] MirrorStats stats() const { return mirror_.stats(); }
  /// Waits until the snapshot satisfies the predicate.
  template <class Predicate>
  [[nodiscard]] bool reaches(Predicate holds) const {
    return harness::wait_until([&] { return holds(mirror_.stats()); });
  }

 private:
  Mirror mirror_;
  std::thread thread_;
};

/// Messages by entry: how many copies of each.
using Arrived = std::map<EntryName, int>;

/// Blocking Redis calls for tests; every one fails the test loudly.
class Streams {
 public:
  explicit Streams(const std::string& redis_url);
  redis::Reply run(const std::vector<std::string>& argv);
  /// A coupon as the library leaves it when it is published: in coupon:issuing, its stream with the group.
  void add_coupon(std::int64_t coupon) { add_coupons(coupon, coupon); }
  void add_coupons(std::int64_t first, std::int64_t last);
  /// One entry of the given users, with its checksum.
  EntryName add_entry(std::int64_t coupon, const std::string& users = "7");
  EntryName add_raw(std::int64_t coupon, const std::vector<std::string>& fields);
  std::vector<EntryName> add_entries(std::int64_t coupon, int count);
  std::int64_t length(std::int64_t coupon);
  std::int64_t pending(std::int64_t coupon);
  /// Connects anew after the server was restarted.
  void reconnect();

 private:
  redis::Client client_;
};

/// A consumer in a thread of its own: takes and acknowledges everything; what it finishes it also removes from the
/// stream.
class RunningSink {
 public:
  /// redis_url empty: nothing is finished.
  explicit RunningSink(const std::string& amqp_url, const std::string& redis_url = {});
  ~RunningSink();
  /// Stops and tells what came.
  Arrived stop();

 private:
  void run();
  std::unique_ptr<amqp::Connection> connection_;
  std::unique_ptr<Streams> streams_;
  Arrived arrived_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

/// The shared Redis, emptied, with the library loaded; a vhost of its own.
class MirrorTest : public ::testing::Test {
 protected:
  void SetUp() override;
  [[nodiscard]] Options options(const std::string& name = "m1") const;
  /// Takes everything out of the queue until `expected` have arrived at least once (true), or a long time has passed.
  bool arrives(const std::set<EntryName>& expected, Arrived& arrived);
  bool arrives(const std::vector<EntryName>& expected);
  std::unique_ptr<amqp::Connection> connect() const;
  /// `flashctl mq declare`.
  void declare() const;

  std::string redis_url_;
  std::string amqp_url_;
  std::unique_ptr<Streams> streams_;
};

/// Publishes a coupon through the library, as flashctl does; returns what Redis was told.
redis::CouponSettings publish_coupon(const std::string& redis_url, std::int64_t coupon);
/// Loads the Lua library of this build.
void load_library(const std::string& redis_url);
std::unique_ptr<amqp::Connection> connect_to(const std::string& amqp_url);
/// See MirrorTest::arrives; every body is decoded and its checksum verified.
bool drain_until(amqp::Connection& connection, const std::set<EntryName>& expected, Arrived& arrived);

}  // namespace flashclaim::mirror
