// What I/O ends with: the error codes of Boost.System and Boost.Asio, without Asio itself.
#pragma once

#include <boost/asio/error.hpp>
#include <boost/system/error_code.hpp>
#include <cerrno>

namespace remora::proxy::net {

namespace asio = boost::asio;

using error_code = boost::system::error_code;

// What errno says.
inline error_code LastError() { return {errno, boost::system::system_category()}; }

}  // namespace remora::proxy::net
