// One finished request as one line of the access log: JSON for machines, text for a terminal.
// The fields are described in tests/compat/access_log.schema.json; they are only ever added to.
//
// Pure.
#pragma once

#include <string>
#include <string_view>

#include "proxy/base/clock.h"
#include "proxy/observe/request_record.h"

namespace remora::proxy {

enum class AccessFormat : std::uint8_t { kJson, kText, kColouredText };

// Appends the line with its end. `now` is the wall-clock time of the request's end.
void AppendAccessLine(AccessFormat format, std::string_view pool, const RequestRecord& record,
                      WallTime now, std::string& out);

// Not only a slow or refused one: whether the request ended otherwise than its client and an
// operator would wish. Such requests are logged whatever the sample rate.
bool IsError(const RequestRecord& record);

}  // namespace remora::proxy
