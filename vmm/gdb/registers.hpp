// SPDX-License-Identifier: GPL-2.0
// The registers that gdb is told of, in the order of its `g` packet, and the target description (XML) that says so. FPU registers are
// in it because gdb insists on them (org.gnu.gdb.i386.core); they are never known: the driver keeps them in the host's own form.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace colinux {

enum Register : std::size_t {
    kRax, kRbx, kRcx, kRdx, kRsi, kRdi, kRbp, kRsp, kR8, kR9, kR10, kR11, kR12, kR13, kR14, kR15,
    kRip, kEflags, kCs, kSs, kDs, kEs, kFs, kGs,
    kSt0, kFctrl = kSt0 + 8,
    kFsBase = kFctrl + 8, kGsBase,
    kCr0, kCr2, kCr3, kCr4,
    kRegisters,
};

class Registers {
public:
    std::optional<std::uint64_t>& operator[](Register which) { return values_[which]; }
    const std::optional<std::uint64_t>& operator[](Register which) const { return values_[which]; }
    bool operator==(const Registers&) const = default;

    // As gdb wants them: bytes in memory order, "xx..." for what is not known.
    std::string hex(Register which) const;
    std::string all_hex() const;
    // From gdb: false when the text has not the register's length. Unknown stays unknown.
    bool set_hex(Register which, std::string_view text);
    bool set_all_hex(std::string_view text);

private:
    std::array<std::optional<std::uint64_t>, kRegisters> values_{};
};

std::string target_description();

} // namespace colinux
