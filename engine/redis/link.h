// One connection to Redis on a loop, over losses: connect, TLS, log in, exchange bytes, and again after a back-off.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/backoff.h"
#include "engine/base/link_log.h"
#include "engine/base/result.h"
#include "engine/loop/loop.h"
#include "engine/net/output.h"
#include "engine/net/socket.h"
#include "engine/redis/client.h"
#include "engine/redis/endpoint.h"
#include "engine/redis/resolver.h"
#include "engine/redis/resp.h"

namespace flashclaim::redis {

enum class LinkState {
  kDown,        ///< no connection; the next attempt is due after a back-off, unless stopped
  kConnecting,  ///< TCP
  kSecuring,    ///< the TLS handshake
  kGreeting,    ///< AUTH, SELECT, PING, ROLE
  kReady,
  kLeaving,  ///< nothing more is sent, what is owed is awaited
};

/// Told in the loop's thread. May call the link, but not destroy it. Replies and losses are never told from inside
/// send(), start() or stop().
class LinkUser {
 public:
  virtual void link_ready() noexcept = 0;
  /// Every reply behind the log-in, in order. The view is valid inside this call only.
  virtual void link_reply(const ReplyView& reply) noexcept = 0;
  /// Bytes were given to the socket.
  virtual void link_written() noexcept {}
  /// What was sent and not answered is lost. `was_up`: the link had been ready.
  virtual void link_lost(bool was_up) noexcept = 0;

 protected:
  ~LinkUser() = default;
};

struct LinkOptions {
  const char* name;              ///< in the log
  int connect_ms = 2000;         ///< to connect, do the TLS handshake, log in and hear that the data set is loaded
  int unacknowledged_ms = 3000;  ///< how long the server's kernel may leave bytes unacknowledged
  int backoff_min_ms = 50;       ///< doubles up to the maximum, jittered
  int backoff_max_ms = 2000;
};

/// Belongs to the loop's thread.
class Link {
 public:
  /// A host name is resolved here, blocking, and again beside the loop for each connection. The error is a URL that
  /// cannot be used. `user` outlives the link, which is down until start().
  static Result<std::unique_ptr<Link>> create(loop::Loop& loop, const std::string& redis_url,
                                              const LinkOptions& options, LinkUser& user);
  /// Tells nobody.
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  /// Connects now, and again after each loss. Again: nothing.
  void start();
  /// No further attempt. A connection that stands is not touched.
  void stop();

  /// RESP, copied, written at the end of the loop's turn. Precondition: ready().
  void send(std::string_view resp);
  [[nodiscard]] std::size_t unsent() const { return output_.unsent(); }

  [[nodiscard]] LinkState state() const { return state_; }
  [[nodiscard]] bool ready() const { return state_ == LinkState::kReady; }
  /// Ready for longer than this.
  [[nodiscard]] bool older_than_ms(std::int64_t age_ms) const;
  /// kReady to kLeaving: the server is the wrong one. The user calls lose() once all that it waits for has come.
  void leave(std::string why);
  /// Gives the connection up; link_lost() is called from inside. After leave() the reason given there counts.
  void lose(std::string why);
  /// The server has proven itself: the next loss is news again, and is logged.
  void proven() { told_.proven(); }
  /// Why there is no connection, or was none the last time; "" when it never was missed.
  [[nodiscard]] const std::string& trouble() const { return trouble_; }

 private:
  Link(loop::Loop& loop, Endpoint endpoint, const std::vector<std::string>& addresses, const LinkOptions& options,
       LinkUser& user);
  void set_state(LinkState next);
  [[nodiscard]] bool up() const { return state_ == LinkState::kReady || state_ == LinkState::kLeaving; }
  void connect(const std::string& address);
  void on_connected();
  void handshake();
  void greet();
  void on_greeted();
  void on_readable();
  void on_writable();
  void flush();
  void receive();
  bool take_replies();
  void on_reply(const ReplyView& reply);
  void wait();
  void on_deadline();
  void broken(const Error& error);
  void close();

  const Endpoint endpoint_;
  const LinkOptions options_;
  const Greeting greeting_;
  LinkUser& user_;
  LinkState state_ = LinkState::kDown;
  bool wanted_ = false;
  std::size_t greeted_ = 0;  ///< replies to the greeting
  std::int64_t ready_ms_ = 0;
  std::string leaving_why_;
  std::string trouble_;
  LinkLog told_;
  Backoff backoff_;
  net::Socket socket_;
  net::Output output_;
  ReplyReader reader_;
  std::vector<char> buffer_ = std::vector<char>(std::size_t{1} << 16);
  Resolver resolver_;
  loop::FdEvent readable_;
  loop::FdEvent writable_;
  loop::EndOfTurn end_of_turn_;
  loop::Timer reconnect_;
  loop::Timer deadline_;
};

}  // namespace flashclaim::redis
