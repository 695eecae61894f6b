// The Asio types of the project: one concrete executor, so that nothing is type-erased on the way.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/error_code.hpp>

namespace remora::proxy::net {

namespace asio = boost::asio;

using error_code = boost::system::error_code;
using Executor = asio::io_context::executor_type;
template <class T = void>
using Awaitable = asio::awaitable<T, Executor>;
inline constexpr asio::use_awaitable_t<Executor> kAwait;
// Completes with a tuple that starts with the error_code instead of throwing.
inline constexpr auto kNoThrow = asio::as_tuple(asio::use_awaitable_t<Executor>{});

}  // namespace remora::proxy::net
