#include "cli/commands/lookup.h"

#include <algorithm>
#include <cctype>
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

Reply<v1::ListServersResponse> ListAllServers(ControlClient& client, const std::string& pool) {
  v1::ListServersResponse all;
  v1::ListServersRequest request;
  request.set_pool(pool);
  request.set_page_size(kPageSize);
  while (true) {
    auto page = client.ListServers(request);
    if (!page) return std::unexpected(std::move(page.error()));
    for (v1::Server& server : *page->mutable_servers()) all.add_servers()->Swap(&server);
    all.set_revision(page->revision());
    if (page->next_page_token().empty()) return all;
    request.set_page_token(page->next_page_token());
  }
}

Reply<ServerName> ResolveServer(ControlClient& client, const std::string& pool,
                                const std::string& id_or_url) {
  if (id_or_url.find_first_of(":/") == std::string::npos) return ServerName{pool, id_or_url};
  auto all = ListAllServers(client, pool);
  if (!all) return std::unexpected(std::move(all.error()));
  const std::string wanted = CanonicalUrl(id_or_url);
  std::vector<const v1::Server*> matches;
  std::vector<const v1::Server*> draining;
  for (const v1::Server& server : all->servers()) {
    if (CanonicalUrl(server.spec().url()) != wanted) continue;
    const bool drains = server.status().state() == v1::ServerStatus::DRAINING;
    (drains ? draining : matches).push_back(&server);
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
