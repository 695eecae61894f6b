#include "tests/differential/report.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <fstream>
#include <utility>

#include "tests/differential/decisions.h"

namespace remora::differential {
namespace {

using strict::Outcome;

constexpr std::size_t kShown = 10;
constexpr std::size_t kWritten = 200;

std::string_view Name(Outcome outcome) {
  switch (outcome) {
    case Outcome::kComplete:
      return "valid";
    case Outcome::kIncomplete:
      return "incomplete";
    case Outcome::kMalformed:
      break;
  }
  return "malformed";
}

std::string_view Name(Kind kind) {
  switch (kind) {
    case Kind::kLetThrough:
      return "let through";
    case Kind::kWell:
      return "well";
    case Kind::kShort:
      break;
  }
  return "stopped";
}

std::string Statuses(const Verdict& verdict) {
  std::string text;
  for (const unsigned status : verdict.statuses) text += std::to_string(status) + " ";
  return text + verdict.end;
}

boost::json::object ToJson(const Tally& tally) {
  return {{"valid", tally.valid},
          {"valid_well", tally.valid_well},
          {"valid_short", tally.valid_short},
          {"incomplete", tally.incomplete},
          {"incomplete_stopped", tally.incomplete_stopped},
          {"malformed", tally.malformed},
          {"malformed_stopped", tally.malformed_stopped},
          {"let_through", tally.let_through},
          {"let_through_valid", tally.let_through_valid},
          {"let_through_incomplete", tally.let_through_incomplete},
          {"let_through_malformed", tally.let_through_malformed},
          {"malformed_at_backend", tally.malformed_at_backend},
          {"still_open", tally.still_open}};
}

boost::json::object ToJson(const std::vector<Proxy>& proxies, const Case& one) {
  boost::json::object verdicts;
  for (std::size_t i = 0; i < proxies.size(); ++i) {
    const Verdict& verdict = one.verdicts[i];
    verdicts[proxies[i].name] = boost::json::object{{"kind", Name(verdict.kind)},
                                                    {"why", verdict.why},
                                                    {"answers", Statuses(verdict)},
                                                    {"answers_problem", verdict.answers_problem},
                                                    {"foreign_field", verdict.foreign_field}};
  }
  return {{"number", one.mutant.number},
          {"bytes", Escaped(one.mutant.bytes)},
          {"cut", one.mutant.cut},
          {"half_close", one.mutant.half_close},
          {"reading", Name(one.reading.rest)},
          {"messages", one.reading.messages.size()},
          {"problem", one.reading.problem},
          {"only_once", one.repeated == Case::Repeated::kOnlyOnce},
          {"proxies", std::move(verdicts)}};
}

boost::json::array ToJson(const std::vector<Proxy>& proxies,
                          const std::vector<const Case*>& cases) {
  boost::json::array list;
  for (const Case* one : cases) {
    if (list.size() == kWritten) break;
    list.push_back(ToJson(proxies, *one));
  }
  return list;
}

boost::json::object ToJson(const std::map<std::string_view, std::size_t>& counts) {
  boost::json::object object;
  for (const auto& [name, count] : counts) object[name] = count;
  return object;
}

void PrintList(std::string_view title, const std::vector<Proxy>& proxies,
               const std::vector<const Case*>& cases, std::size_t most) {
  std::printf("%.*s: %zu\n", static_cast<int>(title.size()), title.data(), cases.size());
  for (std::size_t i = 0; i < std::min(cases.size(), most); ++i) {
    std::printf("%s", Describe(proxies, *cases[i]).c_str());
  }
}

void PrintCounts(std::string_view title, const std::map<std::string_view, std::size_t>& counts) {
  for (const auto& [name, count] : counts) {
    std::printf("%.*s: %.*s: %zu\n", static_cast<int>(title.size()), title.data(),
                static_cast<int>(name.size()), name.data(), count);
  }
}

}  // namespace

Report::Report(const std::vector<Proxy>& proxies, const std::vector<Case>& cases)
    : proxies_(proxies), cases_(cases), tallies_(proxies.size()) {
  for (const Case& one : cases_) Count(one);
  for (std::size_t i = 0; i < proxies_.size(); ++i) {
    if (tallies_[i].valid_well * 10 >= tallies_[i].valid * 8) continue;
    idle_.push_back(proxies_[i].name);
  }
}

void Report::Count(const Case& one) {
  const Outcome rest = one.reading.rest;
  for (std::size_t i = 0; i < proxies_.size(); ++i) {
    Tally& tally = tallies_[i];
    const Verdict& verdict = one.verdicts[i];
    const bool through = verdict.kind == Kind::kLetThrough;
    tally.let_through += through;
    if (rest == Outcome::kComplete) {
      ++tally.valid;
      tally.valid_well += verdict.kind == Kind::kWell;
      tally.valid_short += verdict.kind == Kind::kShort;
      tally.let_through_valid += through;
    } else if (rest == Outcome::kIncomplete) {
      ++tally.incomplete;
      tally.incomplete_stopped += !through;
      tally.let_through_incomplete += through;
    } else {
      ++tally.malformed;
      tally.malformed_stopped += !through;
      tally.let_through_malformed += through;
    }
    tally.malformed_at_backend += verdict.malformed_at_backend;
    tally.still_open += verdict.end == "open";
    if (proxies_[i].is_remora()) CountRemora(one, verdict);
  }
  for (const std::string_view name : one.reading.leniencies) ++leniencies_[name];
}

void Report::CountRemora(const Case& one, const Verdict& verdict) {
  bool others_let_through = false;
  bool others_serve = proxies_.size() > 1;
  for (std::size_t i = 0; i < proxies_.size(); ++i) {
    if (proxies_[i].is_remora()) continue;
    others_let_through |= one.verdicts[i].kind == Kind::kLetThrough;
    others_serve &= one.verdicts[i].kind == Kind::kWell;
  }
  if (verdict.kind == Kind::kLetThrough) {
    (others_let_through ? remora_too_ : remora_only_).push_back(&one);
  }
  // Each request let through has its answer: no second finding.
  if (!verdict.answers_problem.empty() && verdict.kind != Kind::kLetThrough) {
    remora_answers_.push_back(&one);
  }
  if (!verdict.foreign_field.empty()) remora_fields_.push_back(&one);
  if (verdict.end == "open") remora_open_.push_back(&one);
  failed_ += verdict.kind == Kind::kLetThrough || !verdict.answers_problem.empty() ||
             !verdict.foreign_field.empty() || verdict.end == "open";
  if (verdict.kind != Kind::kShort || !others_serve) return;
  if (const std::string_view decision = DecidedBy(one.reading, one.mutant.bytes, verdict);
      !decision.empty()) {
    ++decided_[decision];
  } else {
    too_strict_.push_back(&one);
  }
}

void Report::Print() const {
  std::printf("\n%-44s", "");
  for (const Proxy& proxy : proxies_)
    std::printf("%18s", (proxy.name + " " + proxy.version).c_str());
  const auto row = [this](const char* name, std::size_t Tally::* count) {
    std::printf("\n%-44s", name);
    for (const Tally& tally : tallies_) std::printf("%18zu", tally.*count);
  };
  row("malformed mutants", &Tally::malformed);
  row("  refused", &Tally::malformed_stopped);
  row("  let through", &Tally::let_through_malformed);
  row("valid mutants", &Tally::valid);
  row("  forwarded well", &Tally::valid_well);
  row("  refused, all or part of it", &Tally::valid_short);
  row("  something else let through", &Tally::let_through_valid);
  row("incomplete mutants", &Tally::incomplete);
  row("  stopped", &Tally::incomplete_stopped);
  row("  something let through", &Tally::let_through_incomplete);
  row("malformed bytes at the backend", &Tally::malformed_at_backend);
  row("client's connection not closed in time", &Tally::still_open);
  std::printf("\n\n");
  for (const std::string& name : idle_) {
    std::printf("%s does not serve what is valid: it proves nothing\n", name.c_str());
  }
  PrintCounts("allowed to a recipient, though the oracle is stricter", leniencies_);
  PrintCounts("refused by decision, though all others serve it", decided_);
  PrintList("refused, though valid and served by all others", proxies_, too_strict_, kShown);
  PrintList("malformed or too many answers of Remora", proxies_, remora_answers_, kShown);
  PrintList("fields at the backend that are nobody's, from Remora", proxies_, remora_fields_,
            kShown);
  PrintList("connections that Remora left open", proxies_, remora_open_, kShown);
  PrintList("let through by Remora and by others", proxies_, remora_too_, kWritten);
  PrintList("let through by Remora only", proxies_, remora_only_, kWritten);
}

bool Report::Write(const std::string& path, std::uint64_t seed) const {
  boost::json::object tallies;
  for (std::size_t i = 0; i < proxies_.size(); ++i) {
    boost::json::object tally = ToJson(tallies_[i]);
    tally["version"] = proxies_[i].version;
    tally["examples"] = Examples(i);
    tallies[proxies_[i].name] = std::move(tally);
  }
  const boost::json::object report{{"seed", seed},
                                   {"mutants", cases_.size()},
                                   {"passed", passed()},
                                   {"failed", failed()},
                                   {"idle", boost::json::value_from(idle_)},
                                   {"proxies", std::move(tallies)},
                                   {"remora_only", ToJson(proxies_, remora_only_)},
                                   {"remora_too", ToJson(proxies_, remora_too_)},
                                   {"remora_answers", ToJson(proxies_, remora_answers_)},
                                   {"remora_fields", ToJson(proxies_, remora_fields_)},
                                   {"remora_open", ToJson(proxies_, remora_open_)},
                                   {"too_strict", ToJson(proxies_, too_strict_)},
                                   {"too_strict_count", too_strict_.size()},
                                   {"decided", ToJson(decided_)},
                                   {"leniencies", ToJson(leniencies_)}};
  std::ofstream file(path);
  file << boost::json::serialize(report) << '\n';
  file.close();
  if (!file) std::fprintf(stderr, "%s can't be written\n", path.c_str());
  return static_cast<bool>(file);
}

// Two for each thing that the oracle minds.
boost::json::array Report::Examples(std::size_t proxy) const {
  std::map<std::string, std::size_t> seen;
  boost::json::array examples;
  for (const Case& one : cases_) {
    const Verdict& verdict = one.verdicts[proxy];
    if (verdict.kind != Kind::kLetThrough || ++seen[one.reading.problem.substr(0, 40)] > 2) {
      continue;
    }
    examples.push_back(boost::json::object{{"number", one.mutant.number},
                                           {"bytes", Escaped(one.mutant.bytes)},
                                           {"oracle", one.reading.problem},
                                           {"why", verdict.why}});
  }
  return examples;
}

std::string Describe(const std::vector<Proxy>& proxies, const Case& one) {
  std::string text =
      "  mutant " + std::to_string(one.mutant.number) + ": \"" + Escaped(one.mutant.bytes) + "\"";
  if (one.mutant.cut > 0) text += ", cut at " + std::to_string(one.mutant.cut);
  if (!one.mutant.half_close) text += ", open";
  text += "\n    the oracle: " + std::to_string(one.reading.messages.size()) + " messages, then ";
  text += one.reading.rest == Outcome::kComplete ? "nothing" : Name(one.reading.rest);
  if (!one.reading.problem.empty()) text += ": " + one.reading.problem;
  text += "\n";
  if (one.repeated == Case::Repeated::kOnlyOnce) text += "    (not so when it was repeated)\n";
  for (std::size_t i = 0; i < proxies.size(); ++i) {
    const Verdict& verdict = one.verdicts[i];
    text += "    " + proxies[i].name + ": " + std::string(Name(verdict.kind)) + ", " +
            std::to_string(verdict.arrived) + " arrived, answers " + Statuses(verdict);
    for (const std::string* more :
         {&verdict.why, &verdict.answers_problem, &verdict.foreign_field}) {
      if (!more->empty()) text += "; " + *more;
    }
    text += "\n";
  }
  return text;
}

}  // namespace remora::differential
