// SPDX-License-Identifier: GPL-2.0
// Where the rest of coLinux lies, seen from this program: installed (PREFIX/bin/colinux) or in a
// build folder inside the checkout. No path is built in, so both can be moved.
#pragma once

#include <string>

namespace colinux {

// colinuxd: PREFIX/libexec/colinux/colinuxd, or beside cli/ in the build folder. Failure: Internal.
std::string find_daemon();

// colinux-agent, for a guest's image: likewise beside colinuxd, or in guest/agent/ of the build folder. Failure: Internal.
std::string find_agent();

// colinux-kernel-init, process 1 of `colinux kernel run`: likewise. Failure: Internal.
std::string find_kernel_init();

// A file of the source tree that is also installed: PREFIX/share/colinux/FILE, or the checkout's. Empty
// when it is nowhere.
std::string find_shared(const std::string& file);

} // namespace colinux
