// SPDX-License-Identifier: GPL-2.0
#include "vmm/inspect/unwinder.hpp"

#include <cstddef>

namespace colinux {

namespace {

constexpr std::size_t kMostFrames = 128;
constexpr std::uint64_t kSearchedBytes = 4096;

class Unwinder {
public:
    Unwinder(const GuestKernel& kernel, const GuestPages& pages, const SavedState& state) : kernel_{kernel}, pages_{pages}
    {
        frame_ = {state.rip, state.rsp, state.rbp, true, true, std::nullopt, 0};
    }

    std::vector<StackFrame> run()
    {
        std::vector<StackFrame> frames{frame_};
        while (frames.size() < kMostFrames && step())
            frames.push_back(frame_);
        return frames;
    }

private:
    // To the caller's frame; false at the end.
    bool step()
    {
        if (frame_.registers && frame_.registers->user_mode())
            return false;
        if (kernel_.in_graft(frame_.ip))
            return by_encoded_registers() || by_frame_pointer() || by_search();
        auto entry = kernel_.orc() ? kernel_.orc()->find(frame_.returns ? frame_.ip - 1 : frame_.ip) : std::nullopt;
        if (!entry || !kernel_.in_text(frame_.ip))
            return by_search();
        if (entry->kind == OrcTable::Kind::EndOfStack)
            return false;
        return by_table(*entry) || by_search();
    }

    // The graft's NMI gate (graft/entry.S), and the kernel's own where it is built with frame pointers: odd, and leads to registers.
    bool by_encoded_registers()
    {
        std::uint64_t at = frame_.bp - 1;
        bool encoded = frame_.bp & 1 && at - frame_.sp < kSearchedBytes;
        auto registers = encoded ? pages_.at<InterruptedRegisters>(at) : std::nullopt;
        if (!registers)
            return false;
        frame_ = {registers->ip, registers->sp, registers->bp, true, false, registers, at};
        return true;
    }

    bool by_frame_pointer()
    {
        auto caller_bp = pages_.at<std::uint64_t>(frame_.bp), ip = pages_.at<std::uint64_t>(frame_.bp + 8);
        if (!caller_bp || !ip || frame_.bp < frame_.sp || !kernel_.is_code(*ip))
            return false;
        frame_ = {*ip, frame_.bp + 16, *caller_bp, true, true, std::nullopt, 0};
        return true;
    }

    std::optional<std::uint64_t> base(const OrcTable::Entry& entry) const
    {
        const auto& registers = frame_.registers;
        auto offset = static_cast<std::uint64_t>(std::int64_t{entry.sp_offset});
        switch (entry.sp_base) {
        case OrcTable::Sp: return frame_.sp + offset;
        case OrcTable::Bp: return frame_.bp + offset;
        case OrcTable::BpIndirect: return pages_.at<std::uint64_t>(frame_.bp + offset);
        case OrcTable::SpIndirect: {
            auto top = pages_.at<std::uint64_t>(frame_.sp);
            return top ? std::optional{*top + offset} : std::nullopt;
        }
        case OrcTable::R10: return registers ? std::optional{registers->r10} : std::nullopt;
        case OrcTable::R13: return registers ? std::optional{registers->r13} : std::nullopt;
        case OrcTable::Di: return registers ? std::optional{registers->di} : std::nullopt;
        case OrcTable::Dx: return registers ? std::optional{registers->dx} : std::nullopt;
        default: return std::nullopt;
        }
    }

    bool by_table(const OrcTable::Entry& entry)
    {
        std::optional<std::uint64_t> sp = base(entry);
        if (!sp)
            return false;
        StackFrame caller{0, *sp, frame_.bp, true, true, std::nullopt, 0};
        switch (entry.kind) {
        case OrcTable::Kind::Call: {
            auto ip = pages_.at<std::uint64_t>(*sp - 8);
            if (!ip || !kernel_.is_code(*ip))
                return false;
            caller.ip = *ip;
            break;
        }
        case OrcTable::Kind::Registers:
            caller.registers = pages_.at<InterruptedRegisters>(*sp);
            if (!caller.registers)
                return false;
            caller.registers_virt = *sp;
            caller.ip = caller.registers->ip;
            caller.sp = caller.registers->sp;
            caller.returns = false;
            break;
        case OrcTable::Kind::PartialRegisters: { // only what the CPU pushed: RIP, CS, RFLAGS, RSP, SS
            auto ip = pages_.at<std::uint64_t>(*sp), stack = pages_.at<std::uint64_t>(*sp + 24);
            if (!ip || !stack)
                return false;
            caller.ip = *ip;
            caller.sp = *stack;
            caller.returns = false;
            break;
        }
        default: return false;
        }
        caller.bp = caller_bp(entry, *sp, caller);
        frame_ = caller;
        return true;
    }

    std::uint64_t caller_bp(const OrcTable::Entry& entry, std::uint64_t sp, const StackFrame& caller) const
    {
        auto offset = static_cast<std::uint64_t>(std::int64_t{entry.bp_offset});
        switch (entry.bp_base) {
        case OrcTable::PreviousSp: return pages_.at<std::uint64_t>(sp + offset).value_or(0);
        case OrcTable::Bp: return pages_.at<std::uint64_t>(frame_.bp + offset).value_or(0);
        default: return caller.registers ? caller.registers->bp : frame_.bp;
        }
    }

    bool by_search()
    {
        for (std::uint64_t at = frame_.sp; at < frame_.sp + kSearchedBytes; at += 8) {
            auto word = pages_.at<std::uint64_t>(at);
            if (!word)
                return false;
            if (kernel_.is_code(*word) && follows_call(*word)) {
                frame_ = {*word, at + 8, frame_.bp, false, true, std::nullopt, 0};
                return true;
            }
        }
        return false;
    }

    // Is the instruction before `address` a call? E8 rel32, or FF /2 in one of its common lengths
    bool follows_call(std::uint64_t address) const
    {
        auto byte = [&](unsigned back) { return pages_.at<std::uint8_t>(address - back).value_or(0); };
        auto indirect = [&](unsigned length) { return byte(length) == 0xff && (byte(length - 1) & 0x38) == 0x10; };
        return byte(5) == 0xe8 || indirect(2) || indirect(3) || indirect(6) || indirect(7);
    }

    const GuestKernel& kernel_;
    const GuestPages& pages_;
    StackFrame frame_{};
};

} // namespace

std::vector<StackFrame> unwind(const GuestKernel& kernel, const GuestPages& pages, const SavedState& state)
{
    return Unwinder{kernel, pages, state}.run();
}

} // namespace colinux
