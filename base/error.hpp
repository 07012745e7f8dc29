// SPDX-License-Identifier: GPL-2.0
// The one error code of the core. It maps 1:1 to errno on Linux and to NTSTATUS on NT; the glue
// does that mapping, nobody else does. Trouble of the outside world only: a guest that misbehaves
// is killed (Monitor::kill), our own bugs are assertions.
#pragma once

namespace colinux {

enum class Error : int {
    InvalidArgument = 22, // EINVAL
    NoMemory = 12,        // ENOMEM
    BadAddress = 14,      // EFAULT
    Busy = 16,            // EBUSY
    Exists = 17,          // EEXIST
    NoDevice = 19,        // ENODEV: this machine cannot run guests
    Interrupted = 4,      // EINTR
    GuestEnded = 5,       // EIO
    UnknownCall = 25,     // ENOTTY
    NotFound = 2,         // ENOENT
};

} // namespace colinux
