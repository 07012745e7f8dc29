// SPDX-License-Identifier: GPL-2.0
#include "tests/fakes/fake_host.hpp"

#include "base/address.hpp"
#include "tests/fakes/fake_cpu.hpp"

#include <colinux/abi.h>

#include <algorithm>
#include <memory>
#include <sys/mman.h>
#include <utility>

namespace colinux {

namespace {
std::unique_ptr<FakeHost> the_host = std::make_unique<FakeHost>();
}

FakeHost& host() { return *the_host; }

void FakeHost::reset()
{
    the_host = std::make_unique<FakeHost>();
    FakeCpu::reset();
}

unsigned FakeHost::count(const std::string& name) const
{
    return std::count_if(history.begin(), history.end(), [&](const Call& call) { return call.name == name; });
}

std::uint64_t FakeHost::frames() const
{
    std::uint64_t bytes = 0;
    for (const auto& [phys, region] : memory_)
        bytes += region.bytes;
    return bytes / kPageSize - window.contains(0);
}

void FakeHost::fire_timers()
{
    for (co_os_timer* timer : std::vector{timers}) {
        if (std::exchange(timer->armed, false))
            timer->expired(timer->context);
    }
}

void FakeHost::signal_eventfd(co_s64 descriptor)
{
    for (co_os_watch* watch : std::vector{watches}) {
        if (watch->descriptor == descriptor)
            watch->raised(watch->context, watch->number);
    }
}

void FakeHost::record(const char* name, std::uint64_t a, std::uint64_t b)
{
    history.push_back({name, a, b, interrupts_off});
}

void FakeHost::may_sleep(const char* name)
{
    record(name);
    if (interrupts_off)
        violation(std::string{name} + " with interrupts off");
}

void FakeHost::must_be_off(const char* name)
{
    record(name);
    if (!interrupts_off)
        violation(std::string{name} + " with interrupts on");
}

void FakeHost::violation(const std::string& text) { violations.push_back(text); }

bool FakeHost::allocation_fails()
{
    return heap_is_exhausted || (allocations_until_failure >= 0 && allocations_until_failure-- == 0);
}

// ---- memory -------------------------------------------------------------------------------------------------

FakeHost::Region::~Region() { munmap(memory, bytes); }

void FakeHost::make_region(std::uint64_t phys, std::uint64_t bytes)
{
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memory_.try_emplace(phys, bytes, memory);
}

std::uint64_t FakeHost::take_run(std::uint64_t bytes)
{
    for (auto extent = free_runs.begin(); extent != free_runs.end(); ++extent) {
        std::uint64_t start = align_up(extent->start, bytes);
        if (!range_inside(start, bytes, extent->start, extent->bytes))
            continue;
        Extent rest{start + bytes, extent->start + extent->bytes - (start + bytes)};
        Extent before{extent->start, start - extent->start};
        *extent = rest;
        if (before.bytes)
            free_runs.insert(extent, before);
        make_region(start, bytes);
        return start;
    }
    return 0;
}

// A block that is part of a run becomes a region of its own, at the same address.
void FakeHost::split(std::uint64_t phys, std::uint64_t bytes)
{
    auto after = memory_.upper_bound(phys);
    if (after == memory_.begin())
        return;
    auto& [start, region] = *std::prev(after);
    if (!range_inside(phys, bytes, start, region.bytes) || region.bytes == bytes)
        return;
    auto* memory = static_cast<std::byte*>(region.memory);
    std::uint64_t first = start, before = phys - start, rest = region.bytes - before - bytes;
    region.bytes = before;
    if (before == 0) {
        region.bytes = bytes;
    } else {
        memory_.try_emplace(phys, bytes, memory + before);
    }
    if (rest)
        memory_.try_emplace(phys + bytes, rest, memory + (phys - first) + bytes);
}

bool FakeHost::take_again(std::uint64_t phys)
{
    if (memory_.contains(phys))
        violation("took a block again that was not given back");
    if (memory_.contains(phys) || in_other_use.contains(phys))
        return false;
    make_region(phys, CO_BLOCK_SIZE);
    return true;
}

std::uint64_t FakeHost::take_frame()
{
    std::uint64_t phys = next_frame_;
    next_frame_ += 2 * kPageSize; // never neighbours
    make_region(phys, kPageSize);
    return phys;
}

void FakeHost::give_back(std::uint64_t phys, std::uint64_t bytes)
{
    if (bytes % CO_BLOCK_SIZE == 0)
        split(phys, bytes);
    auto found = memory_.find(phys);
    if (found == memory_.end() || found->second.bytes != bytes)
        return violation("freed memory that is not allocated");
    if (auto mapping = mappings.lower_bound(phys); mapping != mappings.end() && *mapping < phys + bytes)
        violation("freed memory that is mapped");
    memory_.erase(found);
}

void* FakeHost::address_of(std::uint64_t phys)
{
    auto after = memory_.upper_bound(phys);
    if (after != memory_.begin()) {
        auto& [start, region] = *std::prev(after);
        if (phys - start < region.bytes)
            return static_cast<std::byte*>(region.memory) + (phys - start);
    }
    violation("address of a frame that is not allocated");
    return nullptr;
}

} // namespace colinux
