// What the control API needs of the process that it is in: the seams through which the daemon hands
// it over.
//
// Threads: both are called on any thread, several at a time, and must not block. Lifetime: they
// outlive the service they were given to.
#pragma once

#include <functional>
#include <vector>

#include "proxy/base/clock.h"
#include "proxy/base/drain_scope.h"
#include "proxy/base/listener_view.h"

namespace remora::server {

struct ShutdownNotice {
  proxy::WallTime deadline;  // when what still runs in that scope is cut
  bool begun = false;        // false: nothing new, it drained already or has nothing to drain
};

// Begins to drain. Null: nothing here can be shut down.
using ShutdownHook = std::function<ShutdownNotice(proxy::DrainScope scope)>;

// In the order of the configuration. Null: there are none.
using ListenersSource = std::function<std::vector<proxy::ListenerView>()>;

}  // namespace remora::server
