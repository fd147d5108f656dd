// The smuggling corpus: bytes that one reader may take for another request than the next one does.
#pragma once

#include <string>
#include <vector>

namespace flashclaim::http {

struct SmugglingCase {
  const char* name;
  std::string bytes;
};

/// Every entry must be answered 400 and its connection closed, whatever follows it.
std::vector<SmugglingCase> smuggling_corpus();

}  // namespace flashclaim::http
