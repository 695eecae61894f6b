// What I/O ends with: the error codes of Boost.System and Boost.Asio, without Asio itself.
#pragma once

#include <boost/asio/error.hpp>
#include <boost/system/error_code.hpp>

namespace remora::proxy::net {

namespace asio = boost::asio;

using error_code = boost::system::error_code;

}  // namespace remora::proxy::net
