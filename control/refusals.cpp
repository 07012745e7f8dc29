// SPDX-License-Identifier: GPL-2.0
// Why a machine cannot run guests, as the driver sees it (CO_REFUSAL_*), in words. The codes are a
// promise to scripts that read `colinux doctor --json`; docs/doctor.md lists them.
#include "control/driver.hpp"

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
    {CO_REFUSAL_WINDOW,
     {"window-taken", "the host kernel uses the addresses at 0xffffffffffa00000 that the world switch needs, or had no memory for them",
      "use a Debian kernel, 6.1 or 6.12, and load the driver again"}},
    {CO_REFUSAL_SHADOW_STACK,
     {"shadow-stack", "the host kernel runs on supervisor shadow stacks (CET), which the world switch does not carry",
      "boot the host without them; indirect branch tracking (ibt=on) may stay"}},
    {CO_REFUSAL_UINTR,
     {"uintr", "the host kernel uses user interrupts (CR4.UINTR), which would be lost while a guest runs",
      "boot the host with a kernel that does not turn them on: no released Linux does"}},
    {CO_REFUSAL_UNKNOWN_CR4,
     {"unknown-cr4", "the host kernel has turned on a CPU feature (a bit of CR4) that the driver does not know",
      "use a newer coLinux, or a host kernel that does not turn it on; CR4 is in the driver's host_cr4"}},
    {CO_REFUSAL_MEMORY_ENCRYPTION,
     {"memory-encryption", "the host kernel encrypts its memory by page table (SME); a guest's page tables do not",
      "boot the host with: mem_encrypt=off"}},
    {CO_REFUSAL_PREEMPT_RT,
     {"preempt-rt", "the host kernel is a real-time one (PREEMPT_RT): a guest keeps interrupts off for longer than such a kernel promises",
      "boot the host with Debian's linux-image-amd64 or linux-image-cloud-amd64"}},
    {CO_REFUSAL_TSC_UNSTABLE,
     {"tsc-unstable", "the host kernel does not trust the CPU's time stamp counter, a guest's clock (dmesg says why)",
      "boot the host without tsc=unstable; where the counter is known to be good and the kernel is wrong, with tsc=reliable"}},
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
