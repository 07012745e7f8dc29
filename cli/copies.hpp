// SPDX-License-Identifier: GPL-2.0
// What commands for a guest and its disks share: `colinux rm`, which colinux-daemon --remove-service does, too; and whether a name is free.
#pragma once

#include <string>

namespace colinux {

class DefinitionStore;

// Failure: Usage; NameTaken, also where disks of an earlier guest lie.
void refuse_taken(const DefinitionStore& store, const std::string& name);

// `disks`: also those in the guest's own folder. Failure: NameUnknown, GuestRuns, NotSaved.
void remove_guest(const std::string& name, bool disks);

} // namespace colinux
