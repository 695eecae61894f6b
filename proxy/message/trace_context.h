// What Remora reads of W3C Trace Context (https://www.w3.org/TR/trace-context/): the trace id, for
// the access log. The fields themselves pass unchanged.
//
// Pure. Lifetime: the view is part of the head.
#pragma once

#include <string_view>

#include "proxy/message/head.h"

namespace remora::proxy::message {

// The 32 hex digits of the only valid traceparent field; empty without one.
std::string_view TraceId(const RequestHead& head);

}  // namespace remora::proxy::message
