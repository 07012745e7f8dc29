// SPDX-License-Identifier: GPL-2.0
// Suspects: vCPUs that had to be taken off their CPU with the guest's interrupts off, and so may spin there for another
// vCPU. What takes them off again is a timer on another CPU, so they are never in guests on all CPUs of the host at
// once: two guests would hold both CPUs of a host for ever. With one CPU there is no other, and no rule.
#pragma once

namespace colinux {

class Suspects {
public:
    // False: as many are in guests as may be, where `others` count, too. Interrupts off from here until the guest has been left: so long none of the
    // CPUs that are counted goes offline.
    static bool enter(unsigned others = 0);
    static void leave();
};

} // namespace colinux
