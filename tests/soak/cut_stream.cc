#include "tests/soak/cut_stream.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace remora::soak {

void CutStream::Release(std::uint64_t ticket) {
  std::erase_if(holds_, [ticket](const Held& held) { return held.ticket == ticket; });
}

bool CutStream::Send(int fd) {
  while (!cuts_.empty() && cuts_.front() <= sent_) cuts_.pop_front();
  const std::size_t end = cuts_.empty() ? End() : std::min(End(), cuts_.front());
  const ssize_t count = ::send(fd, bytes_.data() + sent_, end - sent_, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (count < 0) return errno == EAGAIN || errno == EINTR;
  sent_ += static_cast<std::size_t>(count);
  if (empty()) Clear();
  return true;
}

void CutStream::Clear() {
  bytes_.clear();
  sent_ = 0;
  cuts_.clear();
  holds_.clear();
}

}  // namespace remora::soak
