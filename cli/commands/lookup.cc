#include "cli/commands/lookup.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <utility>
#include <vector>

namespace remora::cli {
namespace {

constexpr int kPageSize = 1000;  // the most that the server gives at once

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

bool HasPort(std::string_view authority) {
  const std::size_t colon = authority.rfind(':');
  return colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos;
}

// "id" or "pool/id": no url looks like that, as those have a ':'.
std::optional<ServerName> ParseName(const std::string& pool, const std::string& text) {
  if (text.find(':') != std::string::npos) return std::nullopt;
  const std::size_t slash = text.find('/');
  if (slash == std::string::npos) return ServerName{pool, text};
  if (slash == 0 || text.find('/', slash + 1) != std::string::npos) return std::nullopt;
  return ServerName{text.substr(0, slash), text.substr(slash + 1)};
}

std::unexpected<Failure> Ambiguous(const std::string& url,
                                   const std::vector<const v1::Server*>& matches) {
  std::string names;
  for (const v1::Server* server : matches) {
    names += (names.empty() ? "" : ", ") + server->pool() + "/" + server->id();
  }
  return std::unexpected(Failure{.exit = ExitCode::kPrecondition,
                                 .message = "several servers have the url " + url + ": " + names,
                                 .hint = "name the one you mean by its id, with --pool"});
}

}  // namespace

bool IsRemoved(const v1::Server& server) {
  return server.status().state() == v1::ServerStatus::DRAINING && !server.status().drained();
}

Reply<v1::ListServersResponse> ListAllServers(ControlClient& client, const std::string& pool) {
  v1::ListServersResponse all;
  v1::ListServersRequest request;
  request.set_pool(pool);
  request.set_page_size(kPageSize);
  for (bool first = true;; first = false) {
    auto page = client.ListServers(request);
    if (!page) return std::unexpected(std::move(page.error()));
    for (v1::Server& server : *page->mutable_servers()) all.add_servers()->Swap(&server);
    // A change behind the first page may be missing in it.
    if (first) all.set_revision(page->revision());
    if (page->next_page_token().empty()) return all;
    request.set_page_token(page->next_page_token());
  }
}

std::vector<std::string> ServerIds(ControlClient& client, const std::string& pool) {
  std::vector<std::string> ids;
  if (const auto all = ListAllServers(client, pool)) {
    for (const v1::Server& server : all->servers()) ids.push_back(server.id());
  }
  return ids;
}

std::vector<std::string> PoolNames(ControlClient& client) {
  std::vector<std::string> names;
  if (const auto health = client.Health({})) {
    for (const v1::PoolHealth& pool : health->pools()) names.push_back(pool.pool());
  }
  return names;
}

Reply<ServerName> ResolveServer(ControlClient& client, const std::string& pool,
                                const std::string& id_or_url) {
  if (auto name = ParseName(pool, id_or_url)) return *std::move(name);
  auto all = ListAllServers(client, pool);
  if (!all) return std::unexpected(std::move(all.error()));
  const std::string wanted = CanonicalUrl(id_or_url);
  std::vector<const v1::Server*> matches;
  std::vector<const v1::Server*> draining;
  for (const v1::Server& server : all->servers()) {
    if (CanonicalUrl(server.spec().url()) != wanted) continue;
    (IsRemoved(server) ? draining : matches).push_back(&server);
  }
  if (matches.empty()) matches = std::move(draining);
  if (matches.size() > 1) return Ambiguous(id_or_url, matches);
  if (matches.empty()) {
    return std::unexpected(Failure{.exit = ExitCode::kNotFound,
                                   .message = "no server has the url " + id_or_url,
                                   .reason = "SERVER_NOT_FOUND",
                                   .hint = "`remoractl servers list` shows the servers there are"});
  }
  return ServerName{matches.front()->pool(), matches.front()->id()};
}

std::string CanonicalUrl(std::string_view url) {
  if (Lower(url).starts_with("unix:")) {
    url.remove_prefix(5);
    while (url.starts_with("//")) url.remove_prefix(1);
    return "unix:" + std::string(url);
  }
  std::string scheme = "http://";
  if (const std::size_t end = url.find("://"); end != std::string_view::npos) {
    scheme = Lower(url.substr(0, end + 3));
    url.remove_prefix(end + 3);
  }
  while (url.ends_with('/')) url.remove_suffix(1);
  const std::size_t slash = std::min(url.find('/'), url.size());
  std::string authority = Lower(url.substr(0, slash));
  if (!HasPort(authority)) authority += scheme == "https://" ? ":443" : ":80";
  return scheme + authority + std::string(url.substr(slash));
}

}  // namespace remora::cli
