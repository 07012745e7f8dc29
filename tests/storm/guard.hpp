// SPDX-License-Identifier: GPL-2.0
// Touching memory that may not be there: SIGBUS and SIGSEGV end the touch, not the process.
#pragma once

#include <csetjmp>

namespace storm {

inline thread_local sigjmp_buf* guard_exit = nullptr;

void install_guard();

// Whether `touch` came to its end
template <typename Touch>
bool guarded(Touch touch)
{
    sigjmp_buf exit;
    guard_exit = &exit;
    bool whole = sigsetjmp(exit, 1) == 0;
    if (whole)
        touch();
    guard_exit = nullptr;
    return whole;
}

} // namespace storm
