// Takes apart, in one pass, the heads that leave nothing to decide, which are nearly all. What is
// the least bit unusual is left to HeadScanner and Beast's parser: they alone refuse
// (head_parser.h).
//
// Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "proxy/message/head.h"
#include "proxy/message/head_limits.h"

namespace remora::proxy::message {

// The bytes that the head took, of those that begin with it. nullopt: it is not plain, or not
// complete, or a limit is passed; `head` is then filled in part. A head that is taken is one that
// HeadScanner lets pass and Beast accepts, with the same spans (plain_head_test compares them).
std::optional<std::size_t> TakePlainHead(std::string_view bytes, const HeadLimits& limits,
                                         RequestHead& head);
std::optional<std::size_t> TakePlainHead(std::string_view bytes, const HeadLimits& limits,
                                         ResponseHead& head);

}  // namespace remora::proxy::message
