// Writes one family for each counter of the auth filter, in the order of the export.
#include "engine/auth/metrics.h"

namespace flashclaim::auth {

void write_metrics(MetricsWriter& out, PerThread<AuthCounters> threads) {
  out.family("flashclaim_auth_refused_total", "Requests whose credentials were refused, by fault.",
             MetricKind::kCounter);
  for (int i = static_cast<int>(Fault::kNone) + 1; i < kFaults; ++i) {
    auto at = static_cast<std::size_t>(i);
    out.value(sum_of(threads, [at](const AuthCounters& c) { return c.refused[at].value(); }),
              {{"fault", std::string(fault_word(static_cast<Fault>(i)))}});
  }
  out.family("flashclaim_auth_limited_total", "Requests and connections over a limit.", MetricKind::kCounter);
  auto limited = [&](const char* limit, auto member) {
    out.value(sum_of(threads, [member](const AuthCounters& c) { return (c.*member).value(); }), {{"limit", limit}});
  };
  limited("user", &AuthCounters::user_limited);
  limited("address", &AuthCounters::address_limited);
  limited("connections", &AuthCounters::connections_refused);
}

}  // namespace flashclaim::auth
