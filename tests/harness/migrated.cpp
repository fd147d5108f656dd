// The template of migrated databases: the migrations run once in a test process, and each test gets a copy.
#include <filesystem>
#include <set>
#include <stdexcept>

#include "tests/harness/process.h"
#include "tests/harness/services.h"

namespace flashclaim::harness {

void PrivatePostgres::create_template() {
  const auto psql = [this](const std::string& database, const std::vector<std::string>& words) {
    std::vector<std::string> arguments{"-qXAt", "-v", "ON_ERROR_STOP=1"};
    arguments.insert(arguments.end(), words.begin(), words.end());
    arguments.push_back(url_of(database));
    const Finished finished = run_program("/usr/bin/psql", arguments);
    if (finished.exit_code != 0) {
      throw std::runtime_error("psql failed: " + finished.out + finished.err);
    }
  };
  psql("postgres", {"-c", "CREATE DATABASE migrated TEMPLATE template0"});
  std::set<std::string> files;
  for (const auto& file : std::filesystem::directory_iterator(FLASHCLAIM_SOURCE_DIR "/sql")) {
    if (file.path().extension() == ".sql") {
      files.insert(file.path());
    }
  }
  for (const auto& file : files) {
    psql("migrated", {"-1", "-f", file});
  }
}

}  // namespace flashclaim::harness
