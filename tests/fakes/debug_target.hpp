// SPDX-License-Identifier: GPL-2.0
// FakeDebugTarget: a guest of two CPUs and 4 KiB of memory for a debugger's session: notes what is asked.
#pragma once

#include "vmm/gdb/debug_target.hpp"

#include <algorithm>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace colinux::testing {

class FakeDebugTarget final : public DebugTarget {
public:
    static constexpr std::uint64_t kMemory = 0xffffffff81000000;

    FakeDebugTarget()
    {
        for (unsigned cpu = 0; cpu < 2; cpu++)
            for (std::size_t which = 0; which < kSt0; which++)
                registers_[cpu][static_cast<Register>(which)] = which + 0x100 * cpu;
    }

    unsigned cpus() const override { return 2; }
    bool runs(unsigned cpu) override { return cpu == 0 || second_runs; }
    std::string about(unsigned cpu) override { return "CPU " + std::to_string(cpu); }
    bool stop() override
    {
        history.push_back("stop");
        return stops;
    }
    std::string go(const std::vector<Go>& how) override
    {
        std::string word = "go ";
        for (Go one : how)
            word += one == Go::Hold ? 'h' : one == Go::Step ? 's' : 'c';
        history.push_back(word);
        std::lock_guard lock{mutex};
        trap = std::exchange(trap_when_going, std::nullopt);
        went++;
        return said;
    }
    std::optional<Trap> take_trap() override
    {
        std::lock_guard lock{mutex};
        return std::exchange(trap, std::nullopt);
    }
    // From another thread than the session's: as soon as the guest goes for the `time`th time
    void stop_with(Trap reason, int time)
    {
        for (;; std::this_thread::yield()) {
            std::lock_guard lock{mutex};
            if (went < time)
                continue;
            trap = reason;
            return;
        }
    }
    void let_go() override { history.push_back("let go"); }
    void kill() override { history.push_back("kill"); }
    Registers registers(unsigned cpu) override { return registers_[cpu]; }
    std::string set_registers(unsigned cpu, const Registers& wanted) override
    {
        if (cpu == 1)
            return "cannot be changed";
        registers_[cpu] = wanted;
        return {};
    }
    std::string read(unsigned, std::uint64_t virt, std::size_t bytes) override
    {
        return inside(virt) ? memory.substr(virt - kMemory, bytes) : "";
    }
    bool write(unsigned, std::uint64_t virt, std::string_view bytes) override
    {
        if (!inside(virt) || bytes.size() > memory.size() - (virt - kMemory))
            return false;
        std::ranges::copy(bytes, memory.begin() + static_cast<std::ptrdiff_t>(virt - kMemory));
        return true;
    }
    std::string insert(unsigned, std::uint64_t virt) override
    {
        if (!inside(virt))
            return "no memory there";
        breakpoints.insert(virt);
        return {};
    }
    void remove(std::uint64_t virt) override { breakpoints.erase(virt); }
    std::string monitor(unsigned, std::string_view command) override { return "you said " + std::string{command}; }

    std::vector<std::string> history;
    std::string memory = std::string(4096, 'm');
    std::set<std::uint64_t> breakpoints;
    std::mutex mutex; // guards these three
    std::optional<Trap> trap, trap_when_going;
    int went{};
    std::string said;
    bool stops{true}, second_runs{true};

private:
    bool inside(std::uint64_t virt) const { return virt >= kMemory && virt - kMemory < memory.size(); }

    Registers registers_[2];
};

} // namespace colinux::testing
