// Reading HTTP/1.1 answers off a stream of bytes, with llhttp: what a client of ours needs (flashbench).
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace flashclaim::http {

/// The answers of one connection, one after the other. One thread. Interim answers (1xx) are passed over.
class ResponseReader {
 public:
  class Listener {
   public:
    /// False: nobody asked for an answer; the reading ends with an error.
    virtual bool begins() noexcept = 0;
    /// Whole, in the order in which they came.
    virtual void header(std::string_view name, std::string_view value) noexcept = 0;
    /// A part of the body. False: too much; the reading ends with an error.
    virtual bool body(std::string_view part) noexcept = 0;
    /// `keep_alive`: another answer may follow on this connection.
    virtual void complete(int status, bool keep_alive) noexcept = 0;

   protected:
    ~Listener() = default;
  };

  /// The listener must outlive the reader; it must not destroy the reader from inside a call.
  explicit ResponseReader(Listener& listener);
  ~ResponseReader();
  ResponseReader(const ResponseReader&) = delete;
  ResponseReader& operator=(const ResponseReader&) = delete;

  /// A new connection: whatever stood here is forgotten.
  void reset();
  /// "" or why these bytes are not what a server may send; nothing more can be read then.
  std::string read(std::string_view bytes);
  /// The server closed: an answer without a length ends here.
  void end();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace flashclaim::http
