// The engine's metrics as Prometheus text: counters of its threads and of the mirror, gathered when somebody asks.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/archive/pool.h"
#include "engine/http/admin_server.h"
#include "engine/mirror/mirror.h"
#include "engine/worker.h"

namespace flashclaim {

/// Any thread. `archive` and `mirror` are null in an engine without one.
std::string metrics_text(const std::vector<std::unique_ptr<Worker>>& workers, const archive::PoolCounters* archive,
                         const mirror::MirrorStats* mirror, const std::vector<http::Check>& checks);

}  // namespace flashclaim
