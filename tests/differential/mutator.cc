#include "tests/differential/mutator.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <string_view>

#include "tests/differential/random.h"
#include "tests/differential/tokens.h"

namespace remora::differential {
namespace {

constexpr std::size_t kLongestMutant = 16 * 1024;

using Seeds = std::vector<std::string>;

struct Part {
  std::size_t begin = 0;
  std::size_t size = 0;
};

// Lines with their ends, wherever they are: in a head, in chunk framing or in a body.
std::vector<Part> Lines(std::string_view bytes) {
  std::vector<Part> lines;
  for (std::size_t begin = 0; begin < bytes.size();) {
    const std::size_t end = std::min(bytes.find('\n', begin), bytes.size() - 1) + 1;
    lines.push_back({begin, end - begin});
    begin = end;
  }
  return lines;
}

std::size_t EndOfText(std::string_view line) {
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
  return line.size();
}

// A stretch that is mostly short.
Part Stretch(Random& random, const std::string& bytes) {
  const std::size_t begin = random.Below(bytes.size());
  const std::size_t most = random.OneIn(4) ? 40 : 4;
  return {begin, std::min(1 + random.Below(most), bytes.size() - begin)};
}

// One of the lines for which `wanted` holds.
template <class Wanted>
std::optional<Part> PickLine(Random& random, std::string_view bytes, Wanted wanted) {
  std::vector<Part> lines = Lines(bytes);
  std::erase_if(lines, [&](Part line) { return !wanted(bytes.substr(line.begin, line.size)); });
  if (lines.empty()) return std::nullopt;
  return random.Pick(lines);
}

std::optional<Part> AnyLine(Random& random, std::string_view bytes) {
  return PickLine(random, bytes, [](std::string_view) { return true; });
}

bool IsField(std::string_view line) {
  return line.find(':') != std::string_view::npos && line.find(" HTTP/") == std::string_view::npos;
}

bool IsRequestLine(std::string_view line) { return line.find(" HTTP/") != std::string_view::npos; }

bool IsChunkSize(std::string_view line) {
  const std::size_t digits = std::min(line.find_first_of(";\r\n"), line.size());
  return digits > 0 && std::ranges::all_of(line.substr(0, digits), [](char c) {
           return std::isxdigit(static_cast<unsigned char>(c)) != 0;
         });
}

// ---- bytes ----

void InsertByte(Random& random, const Seeds&, std::string& bytes) {
  bytes.insert(random.Below(bytes.size() + 1), random.Pick(kBytes));
}

void ReplaceByte(Random& random, const Seeds&, std::string& bytes) {
  bytes.replace(random.Below(bytes.size()), 1, random.Pick(kBytes));
}

void FlipBit(Random& random, const Seeds&, std::string& bytes) {
  char& byte = bytes[random.Below(bytes.size())];
  byte = static_cast<char>(byte ^ (1 << random.Below(8)));
}

void DeleteStretch(Random& random, const Seeds&, std::string& bytes) {
  const Part part = Stretch(random, bytes);
  bytes.erase(part.begin, part.size);
}

void RepeatStretch(Random& random, const Seeds&, std::string& bytes) {
  const Part part = Stretch(random, bytes);
  bytes.insert(part.begin, bytes.substr(part.begin, part.size));
}

void Truncate(Random& random, const Seeds&, std::string& bytes) {
  bytes.resize(1 + random.Below(bytes.size()));
}

void ChangeHexDigit(Random& random, const Seeds&, std::string& bytes) {
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (std::isxdigit(static_cast<unsigned char>(bytes[i])) != 0) places.push_back(i);
  }
  if (!places.empty()) bytes[random.Pick(places)] = "0123456789abcdefABCDEF"[random.Below(22)];
}

void ChangeCase(Random& random, const Seeds&, std::string& bytes) {
  for (int tries = 0; tries < 20; ++tries) {
    char& byte = bytes[random.Below(bytes.size())];
    if (std::isalpha(static_cast<unsigned char>(byte)) == 0) continue;
    byte = static_cast<char>(byte ^ 0x20);
    return;
  }
}

// ---- lines ----

void RepeatLine(Random& random, const Seeds&, std::string& bytes) {
  const auto line = AnyLine(random, bytes);
  if (line) bytes.insert(line->begin, bytes.substr(line->begin, line->size));
}

void DeleteLine(Random& random, const Seeds&, std::string& bytes) {
  const auto line = AnyLine(random, bytes);
  if (line) bytes.erase(line->begin, line->size);
}

void SwapLines(Random& random, const Seeds&, std::string& bytes) {
  const std::vector<Part> lines = Lines(bytes);
  if (lines.size() < 2) return;
  const std::size_t i = random.Below(lines.size() - 1);
  const Part first = lines[i];
  const std::string moved = bytes.substr(first.begin, first.size);
  bytes.insert(first.begin + first.size + lines[i + 1].size, moved);
  bytes.erase(first.begin, first.size);
}

void InsertLine(Random& random, const Seeds&, std::string& bytes) {
  const auto line = AnyLine(random, bytes);
  if (line) bytes.insert(line->begin, random.Pick(kLines));
}

// Behind a request line, where it is a field for sure.
void InsertField(Random& random, const Seeds&, std::string& bytes) {
  const auto line = PickLine(random, bytes, IsRequestLine);
  if (line) bytes.insert(line->begin + line->size, random.Pick(kLines));
}

void ReplaceField(Random& random, const Seeds&, std::string& bytes) {
  const auto line = PickLine(random, bytes, IsField);
  if (line) bytes.replace(line->begin, line->size, random.Pick(kLines));
}

void ChangeLineEnd(Random& random, const Seeds&, std::string& bytes) {
  const auto line = AnyLine(random, bytes);
  if (!line) return;
  const std::size_t text = EndOfText(std::string_view(bytes).substr(line->begin, line->size));
  bytes.replace(line->begin + text, line->size - text, random.Pick(kLineEnds));
}

// Folds a field, or puts a blank before it.
void Fold(Random& random, const Seeds&, std::string& bytes) {
  const auto line = PickLine(random, bytes, IsField);
  if (!line) return;
  const std::size_t at = random.OneIn(3) ? 0 : random.Below(line->size);
  constexpr std::array kFolds = {"\r\n "sv, "\r\n\t"sv, "\n "sv, "\r "sv, " "sv, "\t"sv};
  bytes.insert(line->begin + at, random.Pick(kFolds));
}

void BlankAtColon(Random& random, const Seeds&, std::string& bytes) {
  const auto line = PickLine(random, bytes, IsField);
  if (!line) return;
  const std::size_t colon = bytes.find(':', line->begin);
  constexpr std::array kBlanks = {" "sv, "\t"sv, "\v"sv, "\0"sv, "\r"sv, "\r\n"sv, "\xa0"sv, ":"sv};
  bytes.insert(colon + random.Below(2), random.Pick(kBlanks));
}

// ---- parts of a request ----

// Replaces one of the three words of a request line.
template <class List>
void ReplaceWord(Random& random, std::string& bytes, int word, const List& list) {
  const auto line = PickLine(random, bytes, IsRequestLine);
  if (!line) return;
  const std::string_view text = std::string_view(bytes).substr(line->begin, line->size);
  const std::size_t first = text.find(' ');
  const std::size_t second = text.rfind(" HTTP/");
  const std::size_t begin = word == 0 ? 0 : word == 1 ? first + 1 : second + 1;
  const std::size_t end = word == 0 ? first : word == 1 ? second : EndOfText(text);
  if (end < begin) return;
  bytes.replace(line->begin + begin, end - begin, random.Pick(list));
}

void ReplaceMethod(Random& random, const Seeds&, std::string& bytes) {
  ReplaceWord(random, bytes, 0, kMethods);
}

void ReplaceTarget(Random& random, const Seeds&, std::string& bytes) {
  ReplaceWord(random, bytes, 1, kTargets);
}

void ReplaceVersion(Random& random, const Seeds&, std::string& bytes) {
  ReplaceWord(random, bytes, 2, kVersions);
}

void ReplaceChunkSize(Random& random, const Seeds&, std::string& bytes) {
  const auto line = PickLine(random, bytes, IsChunkSize);
  if (!line) return;
  const std::size_t text = EndOfText(std::string_view(bytes).substr(line->begin, line->size));
  bytes.replace(line->begin, text, random.Pick(kChunkSizes));
}

// ---- two requests ----

void Append(Random& random, const Seeds& seeds, std::string& bytes) { bytes += random.Pick(seeds); }

void Splice(Random& random, const Seeds& seeds, std::string& bytes) {
  const std::string& other = random.Pick(seeds);
  const std::size_t from = random.Below(other.size());
  bytes.resize(1 + random.Below(bytes.size()));
  bytes.append(other, from);
}

// A field goes to another place, mostly into another part of the message.
void MoveField(Random& random, const Seeds&, std::string& bytes) {
  const auto line = PickLine(random, bytes, IsField);
  if (!line) return;
  const std::string moved = bytes.substr(line->begin, line->size);
  bytes.erase(line->begin, line->size);
  const auto to = AnyLine(random, bytes);
  bytes.insert(to ? to->begin : 0, moved);
}

using Mutation = void (*)(Random&, const Seeds&, std::string&);
// Those that find most stand more than once.
constexpr Mutation kMutations[] = {
    InsertByte,       InsertByte,     ReplaceByte,    ReplaceByte,
    FlipBit,          DeleteStretch,  RepeatStretch,  Truncate,
    ChangeHexDigit,   ChangeHexDigit, ChangeCase,     RepeatLine,
    DeleteLine,       SwapLines,      InsertLine,     InsertField,
    InsertField,      InsertField,    ReplaceField,   ReplaceField,
    ChangeLineEnd,    ChangeLineEnd,  Fold,           BlankAtColon,
    ReplaceMethod,    ReplaceTarget,  ReplaceVersion, ReplaceChunkSize,
    ReplaceChunkSize, Append,         Splice,         MoveField};

}  // namespace

Mutant Mutator::Make(std::uint64_t number) const {
  Random random(seed_, number);
  Mutant mutant{.number = number, .bytes = {}, .cut = 0, .half_close = !random.OneIn(8)};
  if (number < seeds_.size()) {
    mutant.bytes = seeds_[number];
    return mutant;
  }
  mutant.bytes = random.Pick(seeds_);
  // One change mostly: several hide each other.
  do {
    if (mutant.bytes.empty()) mutant.bytes = random.Pick(seeds_);
    kMutations[random.Below(std::size(kMutations))](random, seeds_, mutant.bytes);
  } while (random.OneIn(3) || mutant.bytes.empty());
  if (mutant.bytes.size() > kLongestMutant) mutant.bytes.resize(kLongestMutant);
  if (random.OneIn(4)) mutant.cut = random.Below(mutant.bytes.size());
  return mutant;
}

}  // namespace remora::differential
