// SPDX-License-Identifier: GPL-2.0
// FakeKernel: a tiny ELF image with what the loader looks for in a real one (banner, kallsyms in either
// table order, BTF, a CR4 write, pv_ops), so that the loader is tested without a distribution's kernel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace colinux::testing {

struct FakeKernel {
    static constexpr std::uint64_t kText = 0xffffffff81000000, kData = 0xffffffff81200000;
    static constexpr std::uint64_t kPhys = 0x1000000;
    static constexpr std::uint64_t kCr4Write = kText + 0x123;   // mov %rcx,%cr4
    static constexpr std::uint64_t kFunction = kText + 0x1000;  // endbr64; call __fentry__; ret
    static constexpr std::uint64_t kFentry = kText + 0x2000;
    static constexpr std::uint64_t kPageDirectory = kData + 0x1000; // level2_fixmap_pgt
    static constexpr std::uint64_t kPvOps = kData + 0x2000;
    static constexpr std::uint64_t kX86Init = kData + 0x3000;
    static constexpr std::uint64_t kPerCpu = 0x1c0;             // current_task

    bool old_order = true;       // kallsyms tables as up to 6.3
    bool sequence_table = true;  // with kallsyms_seqs_of_names
    unsigned wrong_marker = 0;   // the second of kallsyms_markers is off by so much
    bool with_btf = true;
    std::uint64_t pv_ops_word = 0;               // the first one in pv_ops
    std::uint64_t function_word = 0xe8fa1e0ff3;  // the first bytes of kernel_function
    std::string release = "6.1.0-test";
    std::vector<std::pair<std::string, std::uint64_t>> more_symbols = {}; // name with its type letter first: "Tname"

    std::vector<std::byte> elf() const;
    // The same as a bzImage with a gzip payload.
    std::vector<std::byte> bzimage() const;
};

// .BTF with struct pv_cpu_ops { u64 io_delay; u64 cpuid; }, struct outer { u32 head; struct { struct pv_cpu_ops ops; }; } and
// enum cpuhp_state { CPUHP_OFFLINE = 0, CPUHP_ONLINE = 240 }.
std::vector<std::byte> fake_btf();

} // namespace colinux::testing
