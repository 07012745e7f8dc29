// SPDX-License-Identifier: GPL-2.0
// What the graft has kept the guest from writing (include/colinux/register_policy.h), read from the graft's data in guest
// memory, for `colinux stats`.
#pragma once

#include "control/guest_memory.hpp"
#include "vmm/loader/boot.hpp"

#include <nlohmann/json.hpp>

namespace colinux {

// {"SDM name of the row": count}, rows of zero left out; MSRs in no row are "others", of which "last_other" is the newest's
// number as text. An empty object when nothing was filtered, or the graft is of another build than this program.
nlohmann::json filtered_writes(const LoadedKernel& loaded, const GuestMemory& memory);

} // namespace colinux
