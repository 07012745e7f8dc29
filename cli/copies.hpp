// SPDX-License-Identifier: GPL-2.0
// `colinux rm`, which colinux-daemon --remove-service does, too.
#pragma once

#include <string>

namespace colinux {

// `disks`: also those in the guest's own folder. Failure: NameUnknown, GuestRuns, NotSaved.
void remove_guest(const std::string& name, bool disks);

} // namespace colinux
