#include "cli/commands/config.h"

#include <google/protobuf/struct.pb.h>

#include <array>

#include "cli/duration.h"
#include "cli/output/json.h"
#include "cli/output/table.h"
#include "cli/output/yaml.h"
#include "cli/version.h"

namespace remora::cli {
namespace {

struct Setting {
  const char* name;
  std::string value;
  std::string from;
};

}  // namespace

std::string ConfigText(const GlobalOptions& options, const ChosenAddress& address) {
  const std::array<Setting, 4> settings = {{
      {"server", address.address, address.from},
      {"timeout", FormatDuration(options.timeout), "--timeout, or its default"},
      {"colour", options.colour ? "on" : "off",
       options.terminal ? "a terminal; NO_COLOR turns it off" : "not a terminal"},
      {"version", ClientVersion(), "this binary"},
  }};
  if (options.output == OutputFormat::kTable) {
    Table table({"SETTING", "VALUE", "FROM"});
    for (const Setting& setting : settings) {
      table.AddRow({setting.name, setting.value, setting.from});
    }
    return table.Render(!options.no_headers);
  }
  google::protobuf::Struct document;
  for (const Setting& setting : settings) {
    auto& fields =
        *(*document.mutable_fields())[setting.name].mutable_struct_value()->mutable_fields();
    fields["value"].set_string_value(setting.value);
    fields["from"].set_string_value(setting.from);
  }
  return options.output == OutputFormat::kYaml ? ToYaml(document) : ToJson(document);
}

}  // namespace remora::cli
