// What a loop runs when its time has come, and a coroutine that waits for that.
//
// Threads: the loop's. Lifetime: one that is destroyed while it is scheduled is not run.
#pragma once

#include <boost/intrusive/list.hpp>
#include <coroutine>

namespace remora::proxy::net {

class Runnable;
using RunnableHook =
    boost::intrusive::list_base_hook<boost::intrusive::tag<Runnable>,
                                     boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

class Runnable : public RunnableHook {
 public:
  using Function = void (*)(Runnable& self);
  explicit Runnable(Function function) : function_(function) {}
  Runnable(const Runnable&) = delete;
  Runnable& operator=(const Runnable&) = delete;

  void Run() { function_(*this); }

 protected:
  ~Runnable() = default;

 private:
  Function function_;
};

using RunnableList = boost::intrusive::list<Runnable, boost::intrusive::base_hook<RunnableHook>,
                                            boost::intrusive::constant_time_size<false>>;

class Waiter : public Runnable {
 public:
  Waiter() : Runnable([](Runnable& self) { static_cast<Waiter&>(self).coroutine_.resume(); }) {}

 protected:
  ~Waiter() = default;
  std::coroutine_handle<> coroutine_;
};

}  // namespace remora::proxy::net
