// SPDX-License-Identifier: GPL-2.0
// FakeCpu: the registers behind core/arch/x86_64/cpu.hpp in the tests, one set per host CPU. Records every write; a
// register that this CPU model lacks is a violation (on a real one: #GP), and so is a write with interrupts on.
#pragma once

#include "core/arch/x86_64/cpu.hpp"

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace colinux {

class FakeCpu {
public:
    struct Write {
        cpu::Msr msr;
        std::uint64_t value;
    };

    FakeCpu();
    // All CPUs as after boot: a model with everything that the core knows of.
    static void reset();
    // What CPUID and the registers of a model without XSAVE, XSS, RDTSCP and SPEC_CTRL say (qemu64).
    void make_plain();

    std::uint64_t msr(cpu::Msr index) const { return msrs.at(index); }
    unsigned writes_of(cpu::Msr index) const;

    std::map<cpu::Msr, std::uint64_t> msrs;
    std::map<std::pair<std::uint32_t, std::uint32_t>, cpu::CpuidResult> leaves;
    std::uint64_t cr0 = 0x8005'0033, cr4 = 0x47'06e0, xcr0 = 7;
    std::uint32_t pkru = 0x5555'5554;
    std::uint64_t cr8 = 0;
    std::uint64_t cr2 = 0x5057'c2, fs_base = 0x5057'f5;
    cpu::Selectors selectors{};
    std::uint64_t debug[8] = {0, 0, 0, 0, 0, 0, 0xffff'0ff0, 0x400};
    std::vector<Write> writes;
    unsigned xcr0_writes = 0, debug_writes = 0;

    static inline std::uint64_t tsc = 1'000'000; // invariant: the same on all
};

FakeCpu& this_cpu(); // the one that the host's current thread is on
FakeCpu& fake_cpu(unsigned index);

} // namespace colinux
