// flashctl as a program under test: run with the three stores in its environment, its answer read.
#pragma once

#include "tests/harness/paths.h"
#include "tests/integration/admin_stores.h"

namespace flashclaim::operations {

class Flashctl : public Stores {
 protected:
  harness::Finished run(const std::vector<std::string>& arguments, const harness::Environment& more = {},
                        const std::string& input = "") {
    harness::Environment environment = {{"REDIS_URL", redis_url()}, {"PG_URL", pg_url()}, {"AMQP_URL", amqp_url()}};
    for (const auto& [name, value] : more) environment[name] = value;
    return harness::run_program("flashctl", arguments, environment, input);
  }
  /// The exit code; what was said is shown when it is not the expected one.
  void expect_exit(int code, const std::vector<std::string>& arguments) {
    last_ = run(arguments);
    std::string line;
    for (const std::string& word : arguments) line += " " + word;
    EXPECT_EQ(last_.exit_code, code) << "flashctl" << line << "\n" << last_.out << last_.err;
  }
  /// With a terminal (of script) in place of stdin, stdout and stderr.
  harness::Finished on_terminal(const std::string& arguments, const std::string& input,
                                const harness::Environment& more = {}) {
    harness::Environment environment = {{"REDIS_URL", redis_url()}, {"PG_URL", pg_url()}, {"AMQP_URL", amqp_url()}};
    for (const auto& [name, value] : more) environment[name] = value;
    return harness::run_program("/usr/bin/script", {"-qec", harness::bin_dir() + "/flashctl " + arguments, "/dev/null"},
                                environment, input);
  }
  /// One member of the JSON object, as PostgreSQL's parser reads it: so the object is well-formed.
  std::string json(const std::string& object, const std::string& path) const {
    std::string text = sql("SELECT $json$" + object + "$json$::json #>> '{" + path + "}'");
    if (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
  }
  std::string status_of(std::int64_t id) {
    const auto state = postgres::coupon_state(pg(), id);
    return state && state->has_value() ? std::string(postgres::word((*state)->status)) : "none";
  }
  void declare() { expect_exit(0, {"mq", "declare"}); }

  harness::Finished last_;
};

}  // namespace flashclaim::operations
