// Heads from text, for tests of what works on parsed heads. The text outlives the head.
#pragma once

#include <gtest/gtest.h>

#include <string_view>

#include "proxy/message/head.h"
#include "proxy/message/head_parser.h"
#include "proxy/message/rules.h"

namespace remora::proxy::testing {

// Parsed only; a head that is not complete is a mistake of the test.
inline Result<message::RequestHead> ParseRequest(std::string_view text,
                                                 const message::HeadLimits& limits = {}) {
  message::HeadScanner scanner;
  message::RequestHead head;
  const auto size = message::ParseRequestHead(scanner, text, limits, head);
  if (!size) return std::unexpected(size.error());
  if (!*size) ADD_FAILURE() << "not a complete head: " << text;
  return head;
}

inline Result<message::ResponseHead> ParseResponse(std::string_view text,
                                                   const message::HeadLimits& limits = {}) {
  message::HeadScanner scanner;
  message::ResponseHead head;
  const auto size = message::ParseResponseHead(scanner, text, limits, head);
  if (!size) return std::unexpected(size.error());
  if (!*size) ADD_FAILURE() << "not a complete head: " << text;
  return head;
}

// A request of which only this matters to its answer.
inline message::RequestHead RequestWith(std::string_view method, bool wants_websocket = false) {
  message::RequestHead head;
  head.method = method;
  head.wants_websocket = wants_websocket;
  return head;
}

// As the session does it: parsed, then the rules.
inline Result<message::RequestHead> AcceptRequest(std::string_view text) {
  auto head = ParseRequest(text);
  if (!head) return head;
  if (const auto checked = message::ApplyRequestRules(*head, {}); !checked) {
    return std::unexpected(checked.error());
  }
  return head;
}

inline Result<message::ResponseHead> AcceptResponse(const message::RequestHead& request,
                                                    std::string_view text) {
  auto head = ParseResponse(text);
  if (!head) return head;
  if (const auto checked = message::ApplyResponseRules(request, *head); !checked) {
    return std::unexpected(checked.error());
  }
  return head;
}

}  // namespace remora::proxy::testing
