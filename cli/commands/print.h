// Messages to `context.out` in the format that was asked for.
#pragma once

#include <google/protobuf/message.h>

#include <span>

#include "cli/apply/plan.h"
#include "cli/context.h"
#include "cli/output/views.h"

namespace remora::cli {

// What the options say about tables.
View ViewOf(const Context& context);

// For people: table and wide.
bool IsTable(OutputFormat format);

// As json, jsonl or yaml; the caller has seen to tables.
void PrintMessage(const google::protobuf::Message& message, const Context& context);

// One server: a table of one row, its name, or its message.
void PrintServer(const v1::Server& server, const Context& context);

// Several: a table, their names, a message a line, or all as one message.
void PrintServers(const v1::ListServersResponse& servers, const Context& context);

// In place of a server that is not there (any more): an empty document where one is due.
void PrintNothing(const Context& context);

// "+ default/a: http://a:1", in colour where there are colours.
void PrintStep(const Step& step, const Context& context);

// The remark at the end: how many were added, changed and removed.
void NoteSummary(const Plan& plan, bool dry_run, const Context& context);

}  // namespace remora::cli
