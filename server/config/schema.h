// The tables: every key there is, where its value goes, and what it may be.
//
// Values only, no rules that look at two settings: those are in parse.cc.
#pragma once

#include <vector>

#include "server/config/config.h"
#include "server/config/field.h"

namespace remora::server {

// A pool with the servers that are written below it.
struct PoolEntry {
  proxy::PoolSettings settings;
  std::vector<ListedServer> servers;
  std::string path;  // "pools[0]"
};

// What a document says, before it is put together.
struct Document {
  Config config;
  std::vector<PoolEntry> pools;
};

const Fields<Document>& RootFields();

}  // namespace remora::server
