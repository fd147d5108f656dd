// What a link to a service says of itself, for loops that connect again and again: each reason once.
#pragma once

#include <string>
#include <string_view>

namespace flashclaim {

/// One thread. A link that comes and goes for one reason tells of it once, until proven() says that it holds.
class LinkLog {
 public:
  /// The link was lost, or could not be made: whether that is news, and to be logged.
  [[nodiscard]] bool lost(std::string_view why) {
    if (why == why_) return false;
    why_ = why;
    connected_told_ = false;
    return true;
  }
  /// The link was made: whether that is news, for the last line said otherwise.
  [[nodiscard]] bool connected() {
    const bool news = !connected_told_;
    connected_told_ = true;
    return news;
  }
  /// It holds: what comes now is news again.
  void proven() { why_.clear(); }

 private:
  std::string why_;  ///< of the last line
  bool connected_told_ = false;
};

}  // namespace flashclaim
