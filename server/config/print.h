// The configuration in effect, for people and for programs. Pure.
//
// There are no secrets in it yet; the first one has to be left out by ShowConfig.
#pragma once

#include <map>
#include <string>

#include "server/config/config.h"
#include "server/config/tree.h"

namespace remora::server {

// Everything that can be set, with the servers below their pools, as a file would say it.
ShownValue ShowConfig(const Config& config);

// YAML that reads back as the same; a comment on each value says where it came from.
std::string RenderConfigYaml(const Config& config);

// {"file": "config.yaml", "config": {...}, "origins": {"control.address": "--control", ...}};
// `config` has the keys of the file, `origins` everything that is not a default.
std::string RenderConfigJson(const Config& config);

// Every setting but the servers, by a path that names pools and listeners instead of counting them:
// "pools[api].timeouts.connect". For telling two configurations apart.
std::map<std::string, std::string> SettingsByPath(const Config& config);

// The JSON Schema of the file, for editors. It knows the keys and the form of their values; what
// depends on several values only remorad itself checks.
std::string RenderConfigSchema();

}  // namespace remora::server
