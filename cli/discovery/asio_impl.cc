// Asio's own sources, compiled once (BOOST_ASIO_SEPARATE_COMPILATION). Nothing else may be in here:
// a program that links the proxy as well takes the same object from there.
#include <boost/asio/impl/src.hpp>
