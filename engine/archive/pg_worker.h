// One thread of the archive: its PostgreSQL session, and the answers to the questions that it took from the queue.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/archive/question.h"
#include "engine/base/backoff.h"
#include "engine/postgres/session.h"

namespace flashclaim::archive {

struct PoolCounters;

/// Belongs to its thread.
class PgWorker {
 public:
  PgWorker(std::string pg_url, std::string name, PoolCounters& counters);
  ~PgWorker();
  PgWorker(const PgWorker&) = delete;
  PgWorker& operator=(const PgWorker&) = delete;

  /// Answers every question. Connects first when there is no session and it is time to try again. Blocks for at most
  /// one connect, and one statement's deadline for each list and for the claims together.
  void answer(const std::vector<Question>& questions);
  [[nodiscard]] bool connected() const { return session_ != nullptr; }

 private:
  using Questions = std::vector<const Question*>;
  bool connect();
  void lose(const postgres::SqlError& error);
  void answer_claims(const Questions& questions);
  void answer_held(const Question& question);
  void refuse_all(const Questions& questions);
  template <class Call>
  auto ask(Call call) -> decltype(call(std::declval<postgres::Session&>()));

  const std::string pg_url_;
  const std::string name_;
  PoolCounters& counters_;
  std::unique_ptr<postgres::Session> session_;
  Backoff backoff_;
  bool complained_ = false;  ///< about what is wrong since the last success
};

}  // namespace flashclaim::archive
