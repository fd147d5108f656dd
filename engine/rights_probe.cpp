// Sends the questions in rounds over an AsyncClient of its own, and keeps the last finding under a mutex.
#include "engine/rights_probe.h"

#include <mutex>
#include <string_view>
#include <vector>

#include "engine/base/try.h"
#include "engine/redis/async.h"
#include "engine/redis/resp.h"

namespace flashclaim {
namespace {

constexpr int kPeriodMs = 1000;  ///< until all is well
constexpr int kRestMs = 5000;    ///< between looks when all was well

}  // namespace

struct RightsProbe::State {
  State(loop::Loop& loop, redis::User u, std::string n) : user(u), name(std::move(n)), timer(loop, [this] { ask(); }) {
    for (const auto& asked : redis::rights_questions(user)) {
      std::vector<Question>& made = rounds.emplace_back(asked.size());
      for (std::size_t i = 0; i < asked.size(); ++i) {
        made[i].state = this;
        made[i].words = &asked[i];
        redis::append_resp(made[i].command, asked[i]);
      }
    }
  }

  struct Question final : redis::Call {
    void answered(const redis::ReplyView& reply) noexcept override { state->heard(redis::denied(*words, reply), true); }
    void lost() noexcept override { state->heard("", false); }
    State* state = nullptr;
    const std::vector<std::string>* words = nullptr;
    std::string command;
  };

  void ask() {
    if (open > 0) return;
    if (rest_ms > 0 && client->ready()) {
      rest_ms -= kPeriodMs;
      return;
    }
    all_heard = true;
    found.clear();
    ask_round(0);
    if (open == 0) judge();
  }

  void ask_round(std::size_t number) {
    round = number;
    for (Question& question : rounds[number]) {
      if (client->send(question.command, question) == redis::Sent::kYes)
        ++open;
      else
        all_heard = false;
    }
  }

  void heard(const std::string& denied, bool answered) {
    if (found.empty()) found = denied;
    all_heard = all_heard && answered;
    if (--open > 0) return;
    if (all_heard && found.empty() && round + 1 < rounds.size()) ask_round(round + 1);
    if (open == 0) judge();
  }

  void judge() {
    const bool ok = all_heard && found.empty();
    rest_ms = ok ? kRestMs : 0;
    std::lock_guard lock(mutex);
    known = {name, ok, true, ok || !found.empty() ? redis::rights_text(user, found) : "redis does not answer"};
  }

  const redis::User user;
  const std::string name;
  std::vector<std::vector<Question>> rounds;
  std::size_t round = 0;  ///< that is asked
  int open = 0;           ///< questions of it under way
  bool all_heard = false;
  std::string found;  ///< the first right that was denied in this round
  int rest_ms = 0;
  mutable std::mutex mutex;
  http::Check known{name, false, true, "redis does not answer"};
  loop::Timer timer;
  std::unique_ptr<redis::AsyncClient> client;
};

RightsProbe::RightsProbe(std::unique_ptr<State> state) : state_(std::move(state)) {}
RightsProbe::~RightsProbe() = default;

Result<std::unique_ptr<RightsProbe>> RightsProbe::create(loop::Loop& loop, const std::string& redis_url,
                                                         redis::User user, std::string name) {
  auto state = std::make_unique<State>(loop, user, std::move(name));
  state->client = TRY(redis::AsyncClient::create(loop, redis_url, {.name = "rights"}));
  state->timer.every_ms(kPeriodMs);
  return std::unique_ptr<RightsProbe>(new RightsProbe(std::move(state)));
}

http::Check RightsProbe::check() const {
  std::lock_guard lock(state_->mutex);
  return state_->known;
}

}  // namespace flashclaim
