// SPDX-License-Identifier: GPL-2.0
// OrcTable: the kernel's own unwind table (CONFIG_UNWINDER_ORC, every distribution kernel), which says for each
// instruction where the caller's stack pointer and frame pointer are. arch/x86/include/asm/orc_types.h; two layouts of
// the last two bytes, up to 6.3 and from 6.4 on, told apart by what most entries say: that they are in a function.
#pragma once

#include "vmm/loader/byte_view.hpp"

#include <cstdint>
#include <optional>

namespace colinux {

class OrcTable {
public:
    enum class Kind { Undefined, EndOfStack, Call, Registers, PartialRegisters };
    enum Base : unsigned { None = 0, PreviousSp = 1, Dx = 2, Di = 3, Bp = 4, Sp = 5, R10 = 6, R13 = 7, BpIndirect = 8, SpIndirect = 9 };
    struct Entry {
        std::int16_t sp_offset, bp_offset;
        unsigned sp_base, bp_base;
        Kind kind;
    };

    // `places` (.orc_unwind_ip) lies at `places_virt`; `entries` is .orc_unwind. Both must outlive this object.
    OrcTable(ByteView places, std::uint64_t places_virt, ByteView entries);

    // How to leave the function at `address`; nothing when the table does not know. Throws std::out_of_range never.
    std::optional<Entry> find(std::uint64_t address) const;

private:
    std::uint64_t place(std::uint64_t index) const;
    Entry entry(std::uint64_t index) const;

    ByteView places_, entries_;
    std::uint64_t places_virt_, count_;
    bool old_layout_;
};

} // namespace colinux
