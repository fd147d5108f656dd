// flashctl: the admin command line.
#include <cstdlib>

#include "engine/base/log.h"
#include "engine/cli/command.h"

int main(int argc, char** argv) {
  setenv("FLASHCLAIM_LOG", "warn", 0);  // the result already says what was done
  flashclaim::start_logging("flashctl");
  return flashclaim::cli::run_flashctl(argc, argv);
}
