// The engine's metrics as Prometheus text: counters of its threads and of the mirror, gathered when somebody asks.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/http/admin_server.h"
#include "engine/mirror/mirror.h"
#include "engine/worker.h"

namespace flashclaim {

/// Any thread. `mirror` is null in an engine without one.
std::string metrics_text(const std::vector<std::unique_ptr<Worker>>& workers, const mirror::MirrorStats* mirror,
                         const std::vector<http::Check>& checks);

}  // namespace flashclaim
