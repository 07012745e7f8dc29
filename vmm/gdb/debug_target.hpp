// SPDX-License-Identifier: GPL-2.0
// DebugTarget: what a debugger's session asks of a guest. CPUs are counted from 0. All calls but take_trap() and stop() are for a guest
// that stands still.
#pragma once

#include "vmm/gdb/registers.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace colinux {

class DebugTarget {
public:
    enum class Go { Hold, Continue, Step };
    struct Trap {
        unsigned cpu;
        bool breakpoint; // else: its step is done
    };

    virtual ~DebugTarget() = default;

    virtual unsigned cpus() const = 0;
    virtual bool runs(unsigned cpu) = 0; // begun, and not offline
    virtual std::string about(unsigned cpu) = 0;

    // Every CPU stands still; false: not every one could be made to, in time.
    virtual bool stop() = 0;
    // Each CPU as said in `how`. Empty, or a line for the person at the debugger.
    virtual std::string go(const std::vector<Go>& how) = 0;
    // A CPU has stopped by itself since go(): the first that did.
    virtual std::optional<Trap> take_trap() = 0;
    // No trace of the debugger is left in the guest, and it runs.
    virtual void let_go() = 0;
    virtual void kill() = 0;

    virtual Registers registers(unsigned cpu) = 0;
    virtual std::string set_registers(unsigned cpu, const Registers& registers) = 0; // empty, or why not
    // By virtual address, as that CPU's page tables say. read(): as many bytes as there are, at most `bytes`.
    virtual std::string read(unsigned cpu, std::uint64_t virt, std::size_t bytes) = 0;
    virtual bool write(unsigned cpu, std::uint64_t virt, std::string_view bytes) = 0;
    // Breakpoints of the kernel's code, for all CPUs. Empty, or why not.
    virtual std::string insert(unsigned cpu, std::uint64_t virt) = 0;
    virtual void remove(std::uint64_t virt) = 0;

    // "monitor COMMAND": what to print.
    virtual std::string monitor(unsigned cpu, std::string_view command) = 0;
};

} // namespace colinux
