// Writes one family for each counter of the HTTP server, in the order of the export.
#include "engine/http/metrics.h"

namespace flashclaim::http {

void write_metrics(MetricsWriter& out, PerThread<ServerCounters> threads) {
  auto sum = [&](auto member) {
    return sum_of(threads, [member](const ServerCounters& c) { return (c.*member).value(); });
  };
  out.counter("flashclaim_http_requests_total", "Requests parsed.", sum(&ServerCounters::requests));
  out.counter("flashclaim_http_malformed_total", "Requests refused by the parser; the connection was closed.",
              sum(&ServerCounters::malformed));
  out.counter("flashclaim_http_accepted_total", "Connections accepted.", sum(&ServerCounters::accepted));
  out.counter("flashclaim_http_turned_away_total", "Connections beyond the bound.", sum(&ServerCounters::turned_away));
  out.counter("flashclaim_http_yielded_total", "Silent connections closed to make room for new ones.",
              sum(&ServerCounters::yielded));
  out.counter("flashclaim_http_timed_out_total", "Connections closed by a deadline.", sum(&ServerCounters::timed_out));
  out.counter("flashclaim_http_tls_failed_total", "Connections that ended in their TLS handshake.",
              sum(&ServerCounters::tls_failed));
  out.gauge("flashclaim_http_connections", "Connections open.", sum(&ServerCounters::connections));
  out.family("flashclaim_http_answers_total", "Answers by class of status.", MetricKind::kCounter);
  for (int digit = 2; digit <= 5; ++digit)
    out.value(sum_of(threads, [digit](const ServerCounters& c) { return c.answers_1xx_5xx[digit].value(); }),
              {{"class", std::to_string(digit) + "xx"}});
}

}  // namespace flashclaim::http
