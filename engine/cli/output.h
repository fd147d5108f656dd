// The result of a command: named values and tables, printed for a person or as one JSON object.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace flashclaim::cli {

/// One value. In JSON: ids are strings (they exceed what JavaScript holds), numbers are numbers.
class Cell {
 public:
  static Cell text(std::string_view value) { return {Kind::kText, std::string(value)}; }
  static Cell id(std::int64_t value) { return {Kind::kText, std::to_string(value)}; }
  static Cell number(std::int64_t value) { return {Kind::kBare, std::to_string(value)}; }
  static Cell decimal(double value, int places);  ///< finite
  static Cell flag(bool value) { return {Kind::kBare, value ? "true" : "false"}; }
  static Cell none() { return {Kind::kNone, ""}; }

  [[nodiscard]] bool right_aligned() const { return kind_ == Kind::kBare; }
  [[nodiscard]] std::string plain() const;  ///< as text.h shows it, "-" when absent
  [[nodiscard]] std::string json() const;

 private:
  enum class Kind { kText, kBare, kNone };
  Cell(Kind kind, std::string value) : kind_(kind), value_(std::move(value)) {}
  Kind kind_;
  std::string value_;
};

struct Table {
  std::vector<std::string> columns;     ///< JSON member names; a heading for a person shows them in words
  std::vector<std::vector<Cell>> rows;  ///< each as wide as `columns`
};

/// Ordered; member names are camelCase, as in the HTTP API.
class Document {
 public:
  Document& add(std::string_view name, Cell value);
  Document& add(std::string_view name, Table table);
  /// A member of the JSON object only: a person finds it in the message.
  Document& add_json(std::string_view name, Cell value);

  /// Values as aligned lines, then each table under its heading; `colour` only decorates.
  [[nodiscard]] std::string plain(bool colour) const;
  /// The members of the object, without the braces ("" when there are none).
  [[nodiscard]] std::string json_members() const;

 private:
  struct Member {
    std::string name;
    std::variant<Cell, Table> value;
    bool json_only = false;
  };
  std::vector<Member> members_;
};

}  // namespace flashclaim::cli
