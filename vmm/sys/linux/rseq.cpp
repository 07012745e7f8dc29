// SPDX-License-Identifier: GPL-2.0
#include "vmm/sys/linux/rseq.hpp"

#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace colinux {

namespace {

constexpr unsigned kRegisteredBytes = 32; // what the kernel takes of the C library up to 2.39; __rseq_size may tell less of it

} // namespace

void leave_restartable_sequences()
{
    if (__rseq_size == 0) // not registered (glibc.pthread.rseq=0)
        return;
    auto* area = static_cast<char*>(__builtin_thread_pointer()) + __rseq_offset;
    syscall(SYS_rseq, area, kRegisteredBytes, RSEQ_FLAG_UNREGISTER, RSEQ_SIG);
}

} // namespace colinux
