// SPDX-License-Identifier: GPL-2.0
// Restartable sequences (rseq(2)): the C library registers each thread for them, and then the kernel has something to write to the
// thread's memory after each preemption. That costs every switch, and takes a vCPU's thread out of CO_RUN, through the system call
// filter and back. Nothing here uses them.
#pragma once

namespace colinux {

// Of the calling thread. Where it cannot be, it is as slow as before.
void leave_restartable_sequences();

} // namespace colinux
