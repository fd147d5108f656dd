// Where the sources and the built programs are. Only paths.cpp is compiled with these paths, so that a clone in another
// folder finds every other object in ccache.
#pragma once

#include <string>

namespace flashclaim::harness {

/// The top of the checkout. Any thread.
const std::string& source_dir();
/// The programs of this build. Any thread.
const std::string& bin_dir();
/// The programs of the build with crash points and removable guards (TEST_POINTS). Any thread.
const std::string& points_bin_dir();

}  // namespace flashclaim::harness
