// Tells AddressSanitizer which memory of a pool is free, so that its use is found. Nothing
// otherwise.
#pragma once

#include <cstddef>

#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#endif

namespace remora::proxy::net {

inline void MarkFree([[maybe_unused]] const void* memory, [[maybe_unused]] std::size_t size) {
#if __has_feature(address_sanitizer)
  __asan_poison_memory_region(memory, size);
#endif
}

inline void MarkUsed([[maybe_unused]] const void* memory, [[maybe_unused]] std::size_t size) {
#if __has_feature(address_sanitizer)
  __asan_unpoison_memory_region(memory, size);
#endif
}

}  // namespace remora::proxy::net
