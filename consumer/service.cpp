// Starts and stops the threads of a consumer process, which share Metrics, Health and Stop.
#include "consumer/service.h"

#include <spdlog/fmt/fmt.h>

#include "engine/base/log.h"
#include "engine/base/try.h"

namespace flashclaim::consumer {

Service::Service(Options options)
    : options_(std::move(options)),
      mender_(options_, metrics_, health_, stop_),
      backlog_(options_, metrics_, health_, stop_),
      relay_(options_, metrics_, stop_) {
  for (int number = 1; number <= options_.workers; ++number)
    workers_.push_back(std::make_unique<Worker>(options_, number, metrics_, health_, stop_));
}

Result<std::unique_ptr<Service>> Service::start(Options options, const http::Address& admin_listen) {
  std::unique_ptr<Service> service(new Service(std::move(options)));
  const Service* self = service.get();
  auto admin = TRY(http::AdminServer::start(
      admin_listen, {[self] { return self->checks(); }, [self] { return self->metrics_.text(); }}));
  service->admin_ = std::move(admin);
  for (auto& worker : service->workers_) service->run(*worker);
  service->run(service->mender_);
  service->run(service->backlog_);
  if (service->options_.events) service->run(service->relay_);
  log(LogLevel::kInfo, "consumer", "started",
      {{"workers", service->options_.workers},
       {"prefetch", service->options_.prefetch},
       {"claims_max", service->options_.claims_max},
       {"admin_port", service->admin_->port()}});
  return service;
}

template <class Part>
void Service::run(Part& part) {
  ++running_;
  threads_.emplace_back([this, &part] {
    part.run();
    --running_;
  });
}

Service::~Service() {
  request_stop();
  for (std::thread& thread : threads_) thread.join();
  admin_.reset();
}

std::vector<http::Check> Service::checks() const {
  const int subscribed = health_.subscribed;
  const int held = health_.held;
  const auto state = [](bool ok, const char* otherwise) { return std::string(ok ? "ok" : otherwise); };
  const bool all_subscribed = subscribed == options_.workers;
  const std::string denied = health_.rabbitmq_denied.get();
  return {
      {"rabbitmq", all_subscribed, true,
       fmt::format("{} of {} workers{}", subscribed, options_.workers,
                   all_subscribed ? "" : ": " + health_.rabbitmq_why.get())},
      {"rabbitmq_rights", denied.empty(), true, amqp::rights_text(amqp::User::kConsumer, denied)},
      {"redis", health_.redis, true, health_.redis ? "ok" : health_.redis_why.get()},
      {"lua", health_.library, true, state(health_.library, "not loaded, or older than this build's")},
      {"postgres", health_.postgres, true, health_.postgres ? "ok" : health_.postgres_why.get()},
      {"schema", health_.schema, true, state(health_.schema, "other migrations than this build's")},
      {"rights", health_.rights, true, health_.rights ? "ok" : health_.rights_why.get()},
      {"batches", held == 0, false, fmt::format("{} held", held)},
      {"running", !stop_.told(), true, stop_.told() ? "stopping" : "running"},
  };
}

}  // namespace flashclaim::consumer
