// SPDX-License-Identifier: GPL-2.0
// FakeHost: a host operating system for the portable core's tests. Implements co_os_* (host_os.cpp and its
// neighbours) over ordinary memory, keeps a history of what the core asked for, and breaks the test when the core
// breaks a contract of host_os.h: sleeps, allocates or frees with interrupts off, frees twice, loses a wake-up.
// One thread: other CPUs, signals and timers are played by hand or from the hooks.
#pragma once

#include <colinux/host_os.h>
#include <colinux/passage.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

struct co_os_timer {
    CO_ABI void (*expired)(void*);
    void* context;
    bool armed;
    co_u64 delay_ns;
};

struct co_os_event {
    co_s64 descriptor;
    unsigned references;
    unsigned signalled;
};

struct co_os_watch {
    co_s64 descriptor;
    CO_ABI void (*raised)(void*, co_u32);
    void* context;
    co_u32 number;
};

namespace colinux {

class FakeHost {
public:
    struct Call {
        std::string name;
        std::uint64_t a, b;
        bool interrupts_off;
    };
    struct Extent {
        std::uint64_t start, bytes;
    };

    // A fresh host with everything free. The host that was must hold nothing of the core's.
    static void reset();

    // ---- what the test decides
    std::deque<Extent> free_runs{{0x1'0000'0000, 0x4000'0000}}; // served in this order, from each one's start
    std::uint64_t run_limit = 4 << 20;
    std::set<std::uint64_t> in_other_use; // blocks that were given back, and that the host needs now
    long allocations_until_failure = -1; // 0: the next one fails, once; -1: none does
    bool heap_is_exhausted = false;
    unsigned current_cpu = 0;
    std::uint32_t tsc_khz = 1'000'000; // one tick = 1 ns
    bool tsc_is_unstable{};
    std::uint32_t longest_stay_us = 6000;
    std::uint64_t waited_ns = 0; // of the thread that calls
    bool window_is_taken = false;
    std::uint64_t wall_clock_ns = 1'700'000'000'000'000'000;
    std::function<void()> on_wall_clock; // called at each look, when the answer is made
    bool must_yield = false, must_return = false, msrs_are_lent = false, user_memory_is_bad = false;
    std::set<unsigned> in_service; // vectors that the CPU accepted and nobody ended
    std::deque<std::function<void()>> while_waiting; // one per sleep; none left = a signal comes
    std::function<void()> on_yield = [] {}, on_pause = [] {};
    std::function<void()> on_run_allocate = [] {}; // once
    std::function<void()> on_copy_to_user = [] {};
    std::function<void()> on_interrupts_off = [] {}; // before they are
    unsigned online_cpus = 2;
    std::function<void()> on_take_nmi = [] {};
    std::function<void(unsigned vector)> on_take_interrupt = [](unsigned) {};
    std::function<void(co_passage&)> guest; // plays the guest at each crossing (ScriptedGuest)
    std::set<co_s64> eventfds;              // descriptors that are eventfds

    // ---- what the test looks at
    std::vector<Call> history;
    std::vector<std::string> violations;
    std::map<std::uint64_t, std::vector<std::byte>> user_memory; // copied to the process, by address
    std::map<unsigned, std::uint64_t> window; // frame of each mapped page of the passage window
    std::multiset<std::uint64_t> mappings; // frames that the core can read and write now, once per mapping
    std::vector<co_os_timer*> timers;
    std::vector<co_os_event*> events;
    std::vector<co_os_watch*> watches;
    bool interrupts_off = false;
    bool fpu_attached = false, fpu_loaded = false;
    bool woken = false;
    unsigned heap_objects = 0, handles = 0;

    unsigned count(const std::string& name) const;
    std::uint64_t frames() const; // 4 KiB frames that the core holds for guests: not that of the switch code
    std::size_t regions() const { return memory_.size(); }
    void fire_timers();
    void signal_eventfd(co_s64 descriptor);

    // ---- for the implementation of co_os_*
    void record(const char* name, std::uint64_t a = 0, std::uint64_t b = 0);
    void may_sleep(const char* name);  // records; a violation with interrupts off
    void must_be_off(const char* name); // records; a violation with interrupts on
    void violation(const std::string& text);
    bool allocation_fails();
    std::uint64_t take_run(std::uint64_t bytes);
    void give_back(std::uint64_t phys, std::uint64_t bytes);
    bool take_again(std::uint64_t phys); // a block of a run that was given back
    std::uint64_t take_frame();
    void* address_of(std::uint64_t phys);

private:
    struct Region { // its own mapping, so that a neighbour's address is nobody's
        Region(std::uint64_t bytes, void* memory) : bytes{bytes}, memory{memory} {}
        ~Region();
        Region(const Region&) = delete;
        std::uint64_t bytes;
        void* memory;
    };
    void make_region(std::uint64_t phys, std::uint64_t bytes);
    void split(std::uint64_t phys, std::uint64_t bytes);

    std::map<std::uint64_t, Region> memory_;
    std::uint64_t next_frame_ = 0x10'0000;
};

FakeHost& host();

} // namespace colinux
