// The folder and the ports of one test process, cleared away when the process ends, however it ends.
#pragma once

#include <string>

namespace flashclaim::harness {

/// `.run-test/<pid>` under the source. The first call starts a reaper (reaper.sh), which ends every service in the
/// folder and removes it once this process is gone: after a normal end, an abort, a kill -9. Any thread.
const std::string& run_folder();

/// The folder stays when this process has ended (its services do not): for a failed run that somebody will study. Any
/// thread.
void keep_run_folder();

/// The first of `count` neighbouring ports on 127.0.0.1 that nobody listens on, between 21000 and 32767 (so that no
/// outgoing connection of the machine takes one). Never the same twice in one process, nor to two that live at once.
/// Any thread.
int free_ports(int count = 1);

}  // namespace flashclaim::harness
