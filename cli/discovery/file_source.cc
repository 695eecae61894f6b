#include "cli/discovery/file_source.h"

#include <utility>

#include "cli/apply/wanted.h"
#include "cli/commands/lookup.h"
#include "cli/discovery/log.h"
#include "cli/input.h"

namespace remora::cli::discovery {

Reply<ServerSet> ServersOfFile(const std::string& text, const std::string& file,
                               const std::string& pool) {
  const auto wanted = ParseWanted(text, file);
  if (!wanted) return std::unexpected(wanted.error());
  ServerSet servers;
  for (const WantedServer& server : *wanted) {
    const std::string id = server.id.empty() ? IdFor(CanonicalUrl(server.spec.url())) : server.id;
    servers.emplace(ServerKey{.pool = server.pool == "default" ? pool : server.pool, .id = id},
                    EndpointOf(server.spec));
  }
  return servers;
}

FileSource::FileSource(boost::asio::io_context& io, std::string file, std::string pool,
                       SourceReport report)
    : file_(std::move(file)), pool_(std::move(pool)), report_(std::move(report)), timer_(io) {}

void FileSource::Start() {
  seen_ = Look();
  Read();
  Wait();
}

void FileSource::Stop() {
  stopped_ = true;
  timer_.cancel();
}

void FileSource::Wait() {
  if (stopped_) return;
  timer_.expires_after(kInterval);
  timer_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    const Stamp now = Look();
    if (now == seen_ && now != read_) Read();
    seen_ = now;
    Wait();
  });
}

FileSource::Stamp FileSource::Look() const {
  struct stat info{};
  if (::stat(file_.c_str(), &info) != 0) return {};
  return {.there = true,
          .device = info.st_dev,
          .inode = info.st_ino,
          .size = info.st_size,
          .modified_ns = info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec,
          .changed_ns = info.st_ctim.tv_sec * 1'000'000'000 + info.st_ctim.tv_nsec};
}

void FileSource::Read() {
  read_ = seen_;
  const auto text = ReadFile(file_);
  if (!text) return report_.away(text.error());
  auto servers = ServersOfFile(*text, file_, pool_);
  if (!servers) return report_.away(OneLine(servers.error()));
  report_.found(*std::move(servers));
}

}  // namespace remora::cli::discovery
