// flashctl: the admin command line.
#include <cstdlib>

#include "engine/admin/command.h"
#include "engine/base/log.h"

int main(int argc, char** argv) {
  setenv("FLASHCLAIM_LOG", "warn", 0);  // its answer says what it did
  flashclaim::start_logging("flashctl");
  return flashclaim::admin::run_flashctl(argc, argv);
}
