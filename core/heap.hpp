// SPDX-License-Identifier: GPL-2.0
// Objects on the host's kernel heap. make<T>() returns nullptr when there is no memory; nothing here throws.
#pragma once

#include <colinux/host_os.h>

#include <new>
#include <utility>

namespace colinux {

template <typename T, typename... Arguments>
T* make(Arguments&&... arguments)
{
    void* memory = co_os_heap_allocate(sizeof(T));
    return memory ? new (memory) T(std::forward<Arguments>(arguments)...) : nullptr;
}

template <typename T>
void destroy(T* object)
{
    if (!object)
        return;
    object->~T();
    co_os_heap_free(object);
}

// A mutex of the host, held for a scope.
class LockGuard {
public:
    explicit LockGuard(co_os_lock* lock) : lock_{lock} { co_os_lock_acquire(lock_); }
    ~LockGuard() { co_os_lock_release(lock_); }
    LockGuard(const LockGuard&) = delete;
    LockGuard& operator=(const LockGuard&) = delete;

private:
    co_os_lock* lock_;
};

} // namespace colinux
