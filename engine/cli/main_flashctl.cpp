// flashctl: the admin command line.
#include <csignal>
#include <cstdlib>

#include "engine/base/log.h"
#include "engine/cli/command.h"

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);        // a verb that changes something ends well though nobody reads its answer
  setenv("FLASHCLAIM_LOG", "warn", 0);  // the result already says what was done
  flashclaim::start_logging("flashctl");
  return flashclaim::cli::run_flashctl(argc, argv);
}
