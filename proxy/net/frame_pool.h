// Memory for the frames of coroutines: a request starts about ten, all of the same few sizes.
//
// Threads: each has lists of its own; a frame may be given back on another thread than it was taken
// on. Free frames are kept up to a bound.
#pragma once

#include <cstddef>

namespace remora::proxy::net {

void* TakeFrame(std::size_t size);
void GiveFrame(void* frame, std::size_t size) noexcept;
// The heap gets those free frames of this thread that have not been needed since the last call.
void ReleaseSpareFrames() noexcept;

}  // namespace remora::proxy::net
