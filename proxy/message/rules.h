// The duties of an intermediary on a parsed head (RFC 9110, RFC 9112): what is refused, how the
// body is framed, which fields stop here. Pure.
#pragma once

#include <expected>

#include "proxy/base/error.h"
#include "proxy/base/settings.h"
#include "proxy/message/head.h"

namespace remora::proxy::message {

struct RequestPolicy {
  // What Via calls this process: a request that has it has been here before (RFC 9110 section
  // 7.6.3). Empty: loops are not looked for.
  std::string_view via_name = {};
  Underscores underscores = Underscores::kPass;
};

// Fills in what RequestHead leaves to the rules and marks hop-by-hop fields with `drop`.
Result<void> ApplyRequestRules(RequestHead& head, const RequestPolicy& policy);

// `request`: what this answers. Errors are kUpstreamBadResponse.
Result<void> ApplyResponseRules(const RequestHead& request, ResponseHead& head);

// May a trailer of this name pass? An allow-list: a receiver that merges trailers into the head
// would take others for the client's own fields (RFC 9110 section 6.5.1).
bool TrailerMayPass(const Field& field);

// `[A-Za-z0-9._-]{1,128}`
bool ValidRequestId(std::string_view id);

// uri-host [":" port] of RFC 3986, not empty.
bool ValidAuthority(std::string_view authority);

}  // namespace remora::proxy::message
