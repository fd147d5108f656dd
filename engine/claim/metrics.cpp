// Writes one family for each counter of the claim handler, in the order of the export.
#include "engine/claim/metrics.h"

namespace flashclaim::claim {

void write_metrics(MetricsWriter& out, PerThread<ClaimCounters> threads) {
  out.family("flashclaim_claims_total", "Claims by the answer that they were given.", MetricKind::kCounter);
  out.value(sum_of(threads, [](const ClaimCounters& c) { return c.accepted.value(); }), {{"answer", "ACCEPTED"}});
  out.value(sum_of(threads, [](const ClaimCounters& c) { return c.replayed.value(); }), {{"answer", "REPLAYED"}});
  for (int i = 0; i < http::kProblemCount; ++i) {
    auto at = static_cast<std::size_t>(i);
    double refused = sum_of(threads, [at](const ClaimCounters& c) { return c.claims_refused[at].value(); });
    out.value(refused, {{"answer", std::string(http::problem_code(static_cast<http::Problem>(i)))}});
  }
  out.counter("flashclaim_views_total", "Reading requests.",
              sum_of(threads, [](const ClaimCounters& c) { return c.views.value(); }));
  out.counter("flashclaim_claims_answered_locally_total", "Claims refused by what Redis had just said of the coupon.",
              sum_of(threads, [](const ClaimCounters& c) { return c.answered_locally.value(); }));
  auto sum = [&](auto member) {
    return sum_of(threads, [member](const ClaimCounters& c) { return (c.*member).value(); });
  };
  out.gauge("flashclaim_polls_waiting", "Requests that wait for an outcome.", sum(&ClaimCounters::polls_waiting));
  out.counter("flashclaim_polls_pushed_total", "Those answered by what finish said.",
              sum(&ClaimCounters::polls_pushed));
  out.counter("flashclaim_polls_expired_total", "Those answered `pending` at their deadline.",
              sum(&ClaimCounters::polls_expired));
  out.gauge("flashclaim_claims_waiting", "Claims in and before flight to Redis.",
            sum_of(threads, [](const ClaimCounters& c) { return c.waiting.value(); }));
  write_histogram(out, "flashclaim_batch_claims", "Claims per FCALL.", threads, 1.0, &ClaimCounters::batch_claims);
  write_histogram(out, "flashclaim_claim_seconds", "From the parsed request to its answer.", threads, 1e-6,
                  &ClaimCounters::claim_us);
}

}  // namespace flashclaim::claim
