// SPDX-License-Identifier: GPL-2.0
#include "vmm/gdb/single_step.hpp"

#include <algorithm>
#include <string_view>

namespace colinux {

namespace {

// SDM Vol. 2, 2.1.1 and 2.2.1: legacy prefixes, REX
bool is_prefix(std::uint8_t byte)
{
    constexpr std::string_view kLegacy = "\xf0\xf2\xf3\x2e\x36\x3e\x26\x64\x65\x66\x67";
    return (byte & 0xf0) == 0x40 || kLegacy.find(static_cast<char>(byte)) != std::string_view::npos;
}

// The opcode's first byte behind all prefixes; 0x90 (NOP) when it cannot be read.
std::uint8_t opcode_at(std::uint64_t rip, const GuestPages& pages)
{
    constexpr unsigned kLongestInstruction = 15;
    for (unsigned i = 0; i < kLongestInstruction; i++) {
        std::uint8_t byte = pages.at<std::uint8_t>(rip + i).value_or(0x90);
        if (!is_prefix(byte))
            return byte;
    }
    return 0x90;
}

constexpr std::uint8_t kPushFlags = 0x9c, kPopFlags = 0x9d, kInt3 = 0xcc, kInt = 0xcd, kIret = 0xcf, kInt1 = 0xf1, kHalt = 0xf4,
                       kClearIf = 0xfa, kSetIf = 0xfb;
constexpr std::uint8_t kLookAtFlags[] = {kPushFlags, kPopFlags, kInt3, kInt, kIret, kInt1, kHalt, kClearIf, kSetIf};

} // namespace

void SingleStep::begin(InterruptedRegisters& registers, const GuestPages& pages)
{
    std::uint8_t opcode = opcode_at(registers.ip, pages);
    *this = {};
    active_ = true;
    user_mode_ = registers.user_mode();
    pushes_flags_ = opcode == kPushFlags;
    masked_ = !user_mode_ && registers.flags & kInterruptFlag && !(registers.flags & kAlignmentCheck) &&
              std::ranges::find(kLookAtFlags, opcode) == std::end(kLookAtFlags);
    registers.flags |= kTrapFlag;
    if (masked_)
        registers.flags &= ~kInterruptFlag;
}

void SingleStep::begin_in_call(std::uint64_t rip)
{
    *this = {};
    active_ = in_call_ = true;
    start_ = rip;
}

bool SingleStep::arrived(InterruptedRegisters& registers, const GuestPages& pages)
{
    if (!in_call_ || registers.ip != start_)
        return true;
    begin(registers, pages); // the call has returned: now the instruction that was asked for
    return false;
}

void SingleStep::end(InterruptedRegisters& registers, const GuestPages& pages)
{
    registers.flags &= ~kTrapFlag;
    if (masked_)
        registers.flags |= kInterruptFlag;
    if (auto pushed = pages.at<std::uint64_t>(registers.sp); pushes_flags_ && pushed) {
        *pushed &= ~kTrapFlag;
        pages.write(registers.sp, &*pushed, sizeof *pushed);
    }
    *this = {};
}

bool SingleStep::forget()
{
    bool masked = masked_;
    *this = {};
    return masked;
}

} // namespace colinux
