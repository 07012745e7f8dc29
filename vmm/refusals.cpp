// SPDX-License-Identifier: GPL-2.0
// Why a machine cannot run guests, as the driver sees it (CO_REFUSAL_*), in words. The codes are a
// promise to scripts that read `colinux doctor --json`; docs/doctor.md lists them.
#include "vmm/driver.hpp"

namespace colinux {

namespace {

struct Entry {
    std::uint32_t bit;
    Refusal refusal;
};

constexpr Entry kRefusals[] = {
    {CO_REFUSAL_NO_NX, {"no-nx", "the CPU has no NX bit", "turn on 'execute disable' in the firmware's setup"}},
    {CO_REFUSAL_NO_INVARIANT_TSC,
     {"no-invariant-tsc", "the CPU's time stamp counter is not usable as a clock",
      "use a machine (or, in a virtual machine, a CPU model) with an invariant TSC"}},
    {CO_REFUSAL_FRED,
     {"fred", "the host kernel runs with FRED, which is not carried yet", "boot the host with: fred=off"}},
    {CO_REFUSAL_SEV_TDX,
     {"confidential-guest", "the host is itself a confidential virtual machine (SEV or TDX)",
      "use an ordinary virtual machine or a real one"}},
    {CO_REFUSAL_XEN_PV,
     {"xen-pv", "the host kernel runs as a Xen PV guest, not in ring 0",
      "boot the host as a Xen PVH or HVM guest, or without Xen"}},
    {CO_REFUSAL_HOST_SYMBOL,
     {"host-symbol", "the host kernel lacks a function that the driver needs",
      "use a Debian kernel, 6.1 or 6.12; dmesg names the function"}},
    {CO_REFUSAL_NO_FXSR, {"no-fxsr", "the CPU has no FXSAVE", "use an x86-64 CPU"}},
};

} // namespace

std::vector<Refusal> refusals_in(std::uint32_t bits)
{
    std::vector<Refusal> found;
    for (const Entry& entry : kRefusals) {
        if (bits & entry.bit)
            found.push_back(entry.refusal);
        bits &= ~entry.bit;
    }
    if (bits)
        found.push_back({"unknown-refusal", "the driver refuses for a reason that this program does not know",
                         "install driver and program from one build"});
    return found;
}

} // namespace colinux
