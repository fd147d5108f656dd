// What the environment says to a program: the one place that reads it.
#pragma once

#include <string>

#include "engine/base/result.h"

namespace flashclaim {

// Any thread, as long as none changes the environment (setenv belongs to the first lines of main).

/// The variable's value; empty when it is not set: no variable of ours means anything by being empty.
std::string env(const std::string& name);

/// True when NAME or NAME_FILE is set and not empty.
bool has_env(const std::string& name);
/// The variable's value or, where NAME is not set, the first line of the file NAME_FILE (a secret file, see
/// secret_file.h). Otherwise an error that says which variable to set and how (`source .run/env`).
Result<std::string> require_env(const std::string& name);

/// Whether the text for this descriptor may have colours: it is a terminal, and nobody set NO_COLOR
/// (https://no-color.org).
bool may_colour(int fd);

}  // namespace flashclaim
