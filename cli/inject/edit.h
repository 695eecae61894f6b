// Changes of a text at offsets of it, all made at once. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace remora::cli::inject {

// Replaces `length` bytes at `offset`.
struct Edit {
  std::size_t offset = 0;
  std::size_t length = 0;
  std::string text = {};
};

// The offsets are those of `text`, in any order, and the edits don't overlap. Of several at one
// offset the text comes in their order.
std::string ApplyEdits(std::string_view text, const std::vector<Edit>& edits);

}  // namespace remora::cli::inject
