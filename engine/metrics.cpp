// Sums the counters of all threads and serializes them with prometheus-cpp.
#include "engine/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <functional>
#include <limits>

namespace flashclaim {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Workers = std::vector<std::unique_ptr<Worker>>;
using Labels = std::vector<ClientMetric::Label>;

/// Builds the families one after the other.
class Families {
 public:
  void family(const char* name, const char* help, MetricType type) { all_.push_back({name, help, type, {}}); }

  void value(double value, Labels labels = {}) {
    ClientMetric metric;
    metric.label = std::move(labels);
    if (all_.back().type == MetricType::Counter) {
      metric.counter.value = value;
    } else {
      metric.gauge.value = value;
    }
    all_.back().metric.push_back(std::move(metric));
  }
  void counter(const char* name, const char* help, double total) {
    family(name, help, MetricType::Counter);
    value(total);
  }
  void gauge(const char* name, const char* help, double now) {
    family(name, help, MetricType::Gauge);
    value(now);
  }

  /// Sums the workers' histograms; `unit` scales a bucket's bound.
  template <class Get>
  void histogram(const char* name, const char* help, const Workers& workers, double unit, Get get) {
    family(name, help, MetricType::Histogram);
    ClientMetric metric;
    std::uint64_t cumulative = 0;
    constexpr std::size_t kBuckets = std::tuple_size_v<std::remove_cvref_t<decltype(get(*workers[0]).buckets)>>;
    for (std::size_t i = 0; i < kBuckets; ++i) {
      for (const auto& worker : workers) cumulative += get(*worker).buckets[i].value();
      bool last = i + 1 == kBuckets;
      double bound = last ? std::numeric_limits<double>::infinity() : unit * static_cast<double>(1ull << i);
      metric.histogram.bucket.push_back({cumulative, bound});
    }
    for (const auto& worker : workers)
      metric.histogram.sample_sum += unit * static_cast<double>(get(*worker).sum.value());
    metric.histogram.sample_count = cumulative;
    all_.back().metric.push_back(std::move(metric));
  }

  [[nodiscard]] const std::vector<MetricFamily>& all() const { return all_; }

 private:
  std::vector<MetricFamily> all_;
};

template <class Get>
double total(const Workers& workers, Get get) {
  double sum = 0;
  for (const auto& worker : workers) sum += static_cast<double>(get(*worker));
  return sum;
}

void add_http(Families& out, const Workers& workers) {
  auto sum = [&](auto member) {
    return total(workers, [member](const Worker& w) { return (w.http_counters().*member).load(); });
  };
  out.counter("flashclaim_http_requests_total", "Requests parsed.", sum(&http::ServerCounters::requests));
  out.counter("flashclaim_http_malformed_total", "Requests refused by the parser; the connection was closed.",
              sum(&http::ServerCounters::malformed));
  out.counter("flashclaim_http_accepted_total", "Connections accepted.", sum(&http::ServerCounters::accepted));
  out.counter("flashclaim_http_turned_away_total", "Connections beyond the bound.",
              sum(&http::ServerCounters::turned_away));
  out.counter("flashclaim_http_yielded_total", "Silent connections closed to make room for new ones.",
              sum(&http::ServerCounters::yielded));
  out.counter("flashclaim_http_timed_out_total", "Connections closed by a deadline.",
              sum(&http::ServerCounters::timed_out));
  out.counter("flashclaim_http_tls_failed_total", "Connections that ended in their TLS handshake.",
              sum(&http::ServerCounters::tls_failed));
  out.gauge("flashclaim_http_connections", "Connections open.", sum(&http::ServerCounters::connections));
  out.family("flashclaim_http_answers_total", "Answers by class of status.", MetricType::Counter);
  for (int digit = 2; digit <= 5; ++digit)
    out.value(total(workers, [digit](const Worker& w) { return w.http_counters().answers_1xx_5xx[digit].load(); }),
              {{"class", std::to_string(digit) + "xx"}});
}

void add_door(Families& out, const Workers& workers) {
  out.family("flashclaim_auth_refused_total", "Requests whose credentials were refused, by fault.",
             MetricType::Counter);
  for (int i = static_cast<int>(auth::Fault::kNone) + 1; i < auth::kFaults; ++i) {
    auto at = static_cast<std::size_t>(i);
    out.value(total(workers, [at](const Worker& w) { return w.door_counters().refused[at].load(); }),
              {{"fault", std::string(auth::fault_word(static_cast<auth::Fault>(i)))}});
  }
  out.family("flashclaim_auth_limited_total", "Requests and connections over a limit.", MetricType::Counter);
  auto limited = [&](const char* limit, auto member) {
    out.value(total(workers, [member](const Worker& w) { return (w.door_counters().*member).load(); }),
              {{"limit", limit}});
  };
  limited("user", &auth::AuthCounters::user_limited);
  limited("address", &auth::AuthCounters::address_limited);
  limited("connections", &auth::AuthCounters::connections_refused);
}

void add_claims(Families& out, const Workers& workers) {
  out.family("flashclaim_claims_total", "Claims by the answer that they were given.", MetricType::Counter);
  out.value(total(workers, [](const Worker& w) { return w.claim_counters().accepted.value(); }),
            {{"answer", "ACCEPTED"}});
  out.value(total(workers, [](const Worker& w) { return w.claim_counters().replayed.value(); }),
            {{"answer", "REPLAYED"}});
  for (int i = 0; i < http::kProblemCount; ++i) {
    auto at = static_cast<std::size_t>(i);
    double refused = total(workers, [at](const Worker& w) { return w.claim_counters().claims_refused[at].value(); });
    out.value(refused, {{"answer", std::string(http::problem_code(static_cast<http::Problem>(i)))}});
  }
  out.counter("flashclaim_views_total", "Reading requests.",
              total(workers, [](const Worker& w) { return w.claim_counters().views.value(); }));
  out.counter("flashclaim_claims_answered_locally_total", "Claims refused by what Redis had just said of the coupon.",
              total(workers, [](const Worker& w) { return w.claim_counters().answered_locally.value(); }));
  auto sum = [&](auto member) {
    return total(workers, [member](const Worker& w) { return (w.claim_counters().*member).value(); });
  };
  out.gauge("flashclaim_polls_waiting", "Requests that wait for an outcome.",
            sum(&claim::ClaimCounters::polls_waiting));
  out.counter("flashclaim_polls_pushed_total", "Those answered by what finish said.",
              sum(&claim::ClaimCounters::polls_pushed));
  out.counter("flashclaim_polls_expired_total", "Those answered `pending` at their deadline.",
              sum(&claim::ClaimCounters::polls_expired));
  out.gauge("flashclaim_claims_waiting", "Claims in and before flight to Redis.",
            total(workers, [](const Worker& w) { return w.claim_counters().waiting.value(); }));
  out.histogram(
      "flashclaim_batch_claims", "Claims per FCALL.", workers, 1.0,
      [](const Worker& w) -> const auto& { return w.claim_counters().batch_claims; });
  out.histogram(
      "flashclaim_claim_seconds", "From the parsed request to its answer.", workers, 1e-6,
      [](const Worker& w) -> const auto& { return w.claim_counters().claim_us; });
}

void add_redis(Families& out, const Workers& workers) {
  auto sum = [&](auto member) {
    return total(workers, [member](const Worker& w) { return (w.redis_counters().*member).load(); });
  };
  out.counter("flashclaim_redis_commands_total", "Commands sent.", sum(&redis::AsyncCounters::commands));
  out.counter("flashclaim_redis_lost_total", "Commands whose answer was lost: outcome unknown.",
              sum(&redis::AsyncCounters::lost));
  out.counter("flashclaim_redis_full_total", "Commands not sent because a bound was reached.",
              sum(&redis::AsyncCounters::full));
  out.counter("flashclaim_redis_connects_total", "Connections made.", sum(&redis::AsyncCounters::connects));
  out.counter("flashclaim_redis_disconnects_total", "Connections lost.", sum(&redis::AsyncCounters::disconnects));
  out.gauge("flashclaim_redis_connected", "Threads with a Redis connection.", sum(&redis::AsyncCounters::ready));
}

void add_archive(Families& out, const archive::PoolCounters& pool) {
  auto number = [](const std::atomic<std::uint64_t>& value) { return static_cast<double>(value.load()); };
  out.family("flashclaim_archive_requests_total",
             "Questions to PostgreSQL: claims that Redis forgot, what a user holds.", MetricType::Counter);
  out.value(number(pool.claims), {{"about", "claim"}});
  out.value(number(pool.held), {{"about", "held"}});
  out.family("flashclaim_archive_failed_total", "Those that were not answered, by reason.", MetricType::Counter);
  out.value(number(pool.full), {{"reason", "full"}});
  out.value(number(pool.late), {{"reason", "late"}});
  out.value(number(pool.away), {{"reason", "away"}});
  out.gauge("flashclaim_archive_waiting", "Questions in the queue.", number(pool.waiting));
  out.counter("flashclaim_archive_connects_total", "Connections made to PostgreSQL.", number(pool.connects));
  out.gauge("flashclaim_archive_connected", "Threads with a connection to PostgreSQL.", number(pool.connected));
}

void add_mirror(Families& out, const mirror::MirrorStats& stats) {
  auto number = [](auto value) { return static_cast<double>(value); };
  out.counter("flashclaim_mirror_mirrored_total", "Entries published, confirmed, acknowledged.",
              number(stats.mirrored));
  out.counter("flashclaim_mirror_published_total", "Publishes of all kinds.", number(stats.published));
  out.counter("flashclaim_mirror_confirmed_total", "Publishes that the broker confirmed.", number(stats.confirmed));
  out.counter("flashclaim_mirror_returned_total", "Publishes that no queue took.", number(stats.returned));
  out.counter("flashclaim_mirror_nacked_total", "Publishes that the broker refused.", number(stats.nacked));
  out.counter("flashclaim_mirror_republished_total", "Entries published again because their message seemed lost.",
              number(stats.republished));
  out.counter("flashclaim_mirror_taken_over_total", "Entries of a mirror that is gone.", number(stats.taken_over));
  out.counter("flashclaim_mirror_damaged_total", "Damaged entries.", number(stats.damaged));
  out.counter("flashclaim_mirror_healed_groups_total", "Consumer groups made anew.", number(stats.healed_groups));
  out.gauge("flashclaim_mirror_unconfirmed", "Publishes under way.", number(stats.unconfirmed));
  out.gauge("flashclaim_mirror_backlog_entries", "Entries not yet mirrored.", number(stats.backlog));
  out.gauge("flashclaim_mirror_unfinished_entries", "Entries in all issuing streams.", number(stats.unfinished));
  out.gauge("flashclaim_mirror_coupons", "Coupons whose streams are read.", number(stats.coupons));
  out.gauge("flashclaim_mirror_redis_connected", "1 while connected.", stats.redis_connected ? 1 : 0);
  out.gauge("flashclaim_mirror_amqp_connected", "1 while connected.", stats.amqp_connected ? 1 : 0);
  out.gauge("flashclaim_mirror_amqp_blocked", "1 while the broker takes no publishes.", stats.amqp_blocked ? 1 : 0);
}

}  // namespace

std::string metrics_text(const Workers& workers, const archive::PoolCounters* archive,
                         const mirror::MirrorStats* mirror, const std::vector<http::Check>& checks) {
  Families out;
  if (!workers.empty()) {
    add_http(out, workers);
    add_door(out, workers);
    add_claims(out, workers);
    add_redis(out, workers);
  }
  if (archive) add_archive(out, *archive);
  if (mirror) add_mirror(out, *mirror);
  out.family("flashclaim_ready", "1 for each dependency that is well.", MetricType::Gauge);
  for (const http::Check& check : checks) out.value(check.ok ? 1 : 0, {{"check", check.name}});
  return prometheus::TextSerializer().Serialize(out.all());
}

}  // namespace flashclaim
