// Formats values and tables as aligned text or as JSON members.
#include "engine/cli/output.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cctype>

#include "engine/base/json.h"
#include "engine/base/text.h"

namespace flashclaim::cli {
namespace {

/// Columns on a terminal, roughly: one for each character, two for each East Asian one.
std::size_t width(std::string_view text) {
  std::size_t columns = 0;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = std::max<std::size_t>(1, utf8_length(text, i));
    const auto lead = static_cast<unsigned char>(text[i]);
    columns += length == 4 || (length == 3 && lead >= 0xE3 && lead <= 0xED) ? 2 : 1;
    i += length;
  }
  return columns;
}

std::string padded(std::string_view text, std::size_t columns, bool right) {
  const std::string blanks(columns - std::min(columns, width(text)), ' ');
  return right ? blanks + std::string(text) : std::string(text) + blanks;
}

/// stockDrift -> "stock drift".
std::string in_words(std::string_view name) {
  std::string words;
  for (const char c : name) {
    if (std::isupper(static_cast<unsigned char>(c)) != 0) words += ' ';
    words += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return words;
}

std::string plain_table(const Table& table, bool colour) {
  std::vector<std::size_t> widths;
  for (const std::string& column : table.columns) widths.push_back(width(in_words(column)));
  for (const auto& row : table.rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i].plain()));
  }
  const auto is_right = [&](std::size_t i) { return !table.rows.empty() && table.rows.front()[i].right_aligned(); };
  const auto trimmed = [](std::string line) {
    line.erase(line.find_last_not_of(' ') + 1);
    return line + "\n";
  };
  std::string heading;
  for (std::size_t i = 0; i < widths.size(); ++i) {
    heading += (i == 0 ? "" : "  ") + padded(in_words(table.columns[i]), widths[i], is_right(i));
  }
  std::string text = colour ? "\033[1m" + heading + "\033[0m\n" : trimmed(heading);
  for (const auto& row : table.rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += (i == 0 ? "" : "  ") + padded(row[i].plain(), widths[i], is_right(i));
    }
    text += trimmed(line);
  }
  return text;
}

std::string json_table(const Table& table) {
  std::string text = "[";
  for (const auto& row : table.rows) {
    if (&row != &table.rows.front()) text += ",";
    text += "{";
    for (std::size_t i = 0; i < row.size(); ++i) {
      text += (i == 0 ? "" : ",") + json_string(table.columns[i]) + ":" + row[i].json();
    }
    text += "}";
  }
  return text + "]";
}

}  // namespace

Cell Cell::decimal(double value, int places) { return {Kind::kBare, fmt::format("{:.{}f}", value, places)}; }

std::string Cell::plain() const {
  if (kind_ == Kind::kNone) return "-";
  return shown(value_);
}

std::string Cell::json() const {
  switch (kind_) {
    case Kind::kText:
      return json_string(value_);
    case Kind::kBare:
      return value_;
    case Kind::kNone:
      return "null";
  }
  return "null";
}

Document& Document::add(std::string_view name, Cell value) {
  members_.push_back({std::string(name), std::move(value), false});
  return *this;
}

Document& Document::add(std::string_view name, Table table) {
  members_.push_back({std::string(name), std::move(table), false});
  return *this;
}

Document& Document::add_json(std::string_view name, Cell value) {
  members_.push_back({std::string(name), std::move(value), true});
  return *this;
}

std::string Document::plain(bool colour) const {
  std::size_t widest = 0;
  for (const auto& [name, value, json_only] : members_) {
    if (!json_only && std::holds_alternative<Cell>(value)) widest = std::max(widest, width(in_words(name)));
  }
  std::string values;
  std::string tables;
  const bool only_a_table = members_.size() == 1;
  for (const auto& [name, value, json_only] : members_) {
    if (json_only) continue;
    if (const Cell* cell = std::get_if<Cell>(&value)) {
      const std::string label = padded(in_words(name), widest, false);
      values += (colour ? "\033[2m" + label + "\033[0m" : label) + "  " + cell->plain() + "\n";
      continue;
    }
    const Table& table = std::get<Table>(value);
    if (!tables.empty() || !values.empty()) tables += "\n";
    if (table.rows.empty()) {
      tables += in_words(name) + ": none\n";
    } else {
      tables += (only_a_table ? "" : in_words(name) + ":\n") + plain_table(table, colour);
    }
  }
  return values + tables;
}

std::string Document::json_members() const {
  std::string text;
  for (const auto& [name, value, json_only] : members_) {
    const Cell* cell = std::get_if<Cell>(&value);
    text += (text.empty() ? "" : ",") + json_string(name) + ":" +
            (cell != nullptr ? cell->json() : json_table(std::get<Table>(value)));
  }
  return text;
}

}  // namespace flashclaim::cli
