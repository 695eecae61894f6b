#include "cli/inject/edit.h"

#include <algorithm>
#include <map>

namespace remora::cli::inject {

std::string ApplyEdits(std::string_view text, const std::vector<Edit>& edits) {
  // Equal keys stay in the order in which they come.
  std::multimap<std::size_t, const Edit*> sorted;
  for (const Edit& edit : edits) sorted.emplace(edit.offset, &edit);
  std::string result;
  std::size_t done = 0;
  for (const auto& [offset, edit] : sorted) {
    if (offset > done) result += text.substr(done, offset - done);
    result += edit->text;
    done = std::max(done, offset + edit->length);
  }
  return result += text.substr(std::min(done, text.size()));
}

}  // namespace remora::cli::inject
