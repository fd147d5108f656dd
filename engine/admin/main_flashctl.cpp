// flashctl: the admin command line.
#include "engine/admin/command.h"
#include "engine/base/log.h"

int main(int argc, char** argv) {
  flashclaim::start_logging("flashctl");
  return flashclaim::admin::run_flashctl(argc, argv);
}
