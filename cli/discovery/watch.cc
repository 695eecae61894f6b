#include "cli/discovery/watch.h"

#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <cctype>
#include <cstdio>
#include <initializer_list>
#include <utility>

namespace remora::cli::discovery {
namespace {

namespace json = boost::json;

constexpr unsigned kOk = 200;
constexpr unsigned kUnauthorized = 401;
constexpr unsigned kForbidden = 403;
constexpr unsigned kNotFound = 404;
constexpr unsigned kGone = 410;
// An event has one slice, of at most 1000 endpoints.
constexpr std::size_t kMaxLine = 8UL * 1024 * 1024;
constexpr int kPageSize = 100;

std::string Escaped(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '-' || c == '.' || c == '_' || c == '~') {
      escaped += c;
    } else {
      std::array<char, 4> code{};
      std::snprintf(code.data(), code.size(), "%%%02X", static_cast<unsigned>(byte));
      escaped += code.data();
    }
  }
  return escaped;
}

std::string Text(const json::value& value, std::initializer_list<const char*> path) {
  const json::value* at = &value;
  for (const char* key : path) {
    const json::object* object = at->if_object();
    at = object == nullptr ? nullptr : object->if_contains(key);
    if (at == nullptr) return {};
  }
  const json::string* text = at->if_string();
  return text == nullptr ? std::string() : std::string(text->data(), text->size());
}

std::expected<json::value, std::string> Parse(std::string_view text) {
  json::error_code error;
  json::value value = json::parse({text.data(), text.size()}, error);
  if (error) return std::unexpected("the API server sent no JSON: " + error.message());
  return value;
}

std::string Advice(unsigned status) {
  switch (status) {
    case kUnauthorized:
      return "; see whether its token or certificate is valid";
    case kForbidden:
      return "; allow it get, list and watch of endpointslices (discovery.k8s.io) in this "
             "namespace";
    case kNotFound:
      return "; discovery.k8s.io/v1 needs Kubernetes 1.21 or newer";
    default:
      return {};
  }
}

// `body` is a Status object, or whatever something on the way has sent.
std::string Refusal(unsigned status, std::string_view body) {
  std::string message;
  if (const auto parsed = Parse(body)) message = Text(*parsed, {"message"});
  return "the API server answered " + std::to_string(status) +
         (message.empty() ? "" : " (" + message + ")") + Advice(status);
}

}  // namespace

SliceWatch::SliceWatch(std::string base_path, const std::string& name_space,
                       const std::string& service, std::chrono::seconds resync)
    : path_(std::move(base_path) + "/apis/discovery.k8s.io/v1/namespaces/" + Escaped(name_space) +
            "/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3D" + Escaped(service)),
      resync_(resync) {}

SliceWatch::Request SliceWatch::Next(Time now) {
  line_.clear();
  gone_ = false;
  if (!version_.empty() && now >= list_due_) StartOver();
  if (version_.empty()) {
    std::string target = path_ + "&limit=" + std::to_string(kPageSize);
    if (!continue_.empty()) target += "&continue=" + Escaped(continue_);
    return {.watch = false, .target = std::move(target)};
  }
  const auto left = std::chrono::ceil<std::chrono::seconds>(list_due_ - now);
  return {.watch = true,
          .target = path_ + "&watch=true&allowWatchBookmarks=true&resourceVersion=" +
                    Escaped(version_) + "&timeoutSeconds=" + std::to_string(left.count())};
}

std::expected<void, SliceWatch::Problem> SliceWatch::OnAnswer(unsigned status,
                                                              std::string_view body, Time now) {
  if (status == kOk) return OnListPage(body, now);
  // Of a watch: its version is too old; of a list: the token of its next page is.
  if (status == kGone) {
    StartOver();
    gone_ = true;
  }
  return std::unexpected(Refusal(status, body));
}

std::expected<void, SliceWatch::Problem> SliceWatch::OnListPage(std::string_view body, Time now) {
  const auto list = Parse(body);
  if (!list) return std::unexpected(list.error());
  const json::object* object = list->if_object();
  const json::value* items = object == nullptr ? nullptr : object->if_contains("items");
  const std::string version = Text(*list, {"metadata", "resourceVersion"});
  if (items == nullptr || version.empty()) {
    return std::unexpected("the API server sent something that is no list of EndpointSlices");
  }
  if (const json::array* slices = items->if_array()) {
    for (const json::value& item : *slices) {
      auto slice = ParseSlice(item);
      if (!slice) return std::unexpected(std::move(slice.error()));
      listing_.insert_or_assign(slice->name, *std::move(slice));
    }
  }
  continue_ = Text(*list, {"metadata", "continue"});
  if (!continue_.empty()) return {};
  slices_ = std::exchange(listing_, {});
  version_ = version;
  list_due_ = now + resync_;
  ++lists_;
  ++generation_;
  return {};
}

std::expected<void, SliceWatch::Problem> SliceWatch::OnBytes(std::string_view bytes) {
  if (version_.empty()) return std::unexpected("the API server sent events before a list");
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    line_ += bytes.substr(0, end);
    if (line_.size() > kMaxLine) return std::unexpected("an event of the API server is too long");
    if (end == std::string_view::npos) break;
    bytes.remove_prefix(end + 1);
    const std::string line = std::exchange(line_, {});
    if (line.find_first_not_of(" \r\t") == std::string::npos) continue;
    if (auto taken = OnLine(line); !taken) return taken;
  }
  return {};
}

std::expected<void, SliceWatch::Problem> SliceWatch::OnLine(std::string_view line) {
  const auto event = Parse(line);
  if (!event) return std::unexpected(event.error());
  const json::object* fields = event->if_object();
  const json::value* object = fields == nullptr ? nullptr : fields->if_contains("object");
  if (object == nullptr) return std::unexpected("an event of the API server has no object");
  const std::string type = Text(*event, {"type"});
  if (type == "ERROR") return OnError(*object);
  const std::string version = Text(*object, {"metadata", "resourceVersion"});
  if (version.empty()) return std::unexpected("an event of the API server has no version");
  if (type == "ADDED" || type == "MODIFIED" || type == "DELETED") {
    auto slice = ParseSlice(*object);
    if (!slice) return std::unexpected(std::move(slice.error()));
    if (type == "DELETED") {
      slices_->erase(slice->name);
    } else {
      slices_->insert_or_assign(slice->name, *std::move(slice));
    }
    ++generation_;
  } else if (type != "BOOKMARK") {
    return std::unexpected("the API server sent an event of the unknown type '" + type + "'");
  }
  version_ = version;
  ++events_;
  return {};
}

// Gone is the usual one: what comes after the version is not kept any more. With any other a list
// from scratch is right as well.
std::expected<void, SliceWatch::Problem> SliceWatch::OnError(const json::value& status) {
  StartOver();
  gone_ = true;
  const std::string message = Text(status, {"message"});
  return std::unexpected("the API server ended the watch: " +
                         (message.empty() ? "it gave no reason" : message));
}

void SliceWatch::StartOver() {
  version_.clear();
  continue_.clear();
  listing_.clear();
}

}  // namespace remora::cli::discovery
