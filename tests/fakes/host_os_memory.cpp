// SPDX-License-Identifier: GPL-2.0
// co_os_*: heap, runs, frames, FPU states. See FakeHost.
#include "tests/fakes/fake_host.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

using colinux::host;

struct co_os_fpu {
    bool attached;
};

CO_ABI void* co_os_heap_allocate(co_u64 bytes)
{
    host().may_sleep("heap_allocate");
    if (host().allocation_fails() || bytes > 1 << 30)
        return nullptr;
    ++host().heap_objects;
    return std::calloc(1, bytes);
}

CO_ABI void co_os_heap_free(void* memory)
{
    host().may_sleep("heap_free");
    --host().heap_objects;
    std::free(memory);
}

CO_ABI co_u64 co_os_run_limit(void) { return host().run_limit; }

CO_ABI co_u64 co_os_run_allocate(co_u64 bytes)
{
    host().may_sleep("run_allocate");
    std::exchange(host().on_run_allocate, [] {})();
    if (bytes > host().run_limit)
        host().violation("a run larger than the limit");
    return host().allocation_fails() ? 0 : host().take_run(bytes);
}

CO_ABI void co_os_run_free(co_u64 phys, co_u64 bytes)
{
    host().may_sleep("run_free");
    host().give_back(phys, bytes);
}

CO_ABI bool co_os_block_reclaim(co_u64 phys)
{
    host().may_sleep("block_reclaim");
    return !host().allocation_fails() && host().take_again(phys);
}

CO_ABI co_u64 co_os_frame_allocate(void)
{
    host().may_sleep("frame_allocate");
    return host().allocation_fails() ? 0 : host().take_frame();
}

CO_ABI void co_os_frame_free(co_u64 phys)
{
    host().may_sleep("frame_free");
    host().give_back(phys, CO_PAGE_SIZE);
}

CO_ABI void* co_os_frame_map(co_u64 phys)
{
    host().mappings.insert(phys);
    return host().address_of(phys);
}

CO_ABI void co_os_frame_unmap(void* address)
{
    auto mapping = std::ranges::find_if(host().mappings, [&](co_u64 phys) { return host().address_of(phys) == address; });
    if (mapping == host().mappings.end())
        host().violation("unmapped what is not mapped");
    else
        host().mappings.erase(mapping);
}

CO_ABI int co_os_window_open(void)
{
    host().may_sleep("window_open");
    return host().window_is_taken;
}

CO_ABI void co_os_window_close(void)
{
    host().may_sleep("window_close");
    host().window.clear();
}

CO_ABI void co_os_window_map(co_u32 page, co_u64 phys, bool execute)
{
    host().may_sleep("window_map");
    if (execute != (page == 0))
        host().violation("the switch code, and nothing else, is executable");
    if (phys && host().window.contains(page))
        host().violation("mapped a page of the window twice");
    if (phys)
        host().window[page] = phys;
    else if (!host().window.erase(page))
        host().violation("removed a page of the window that is not there");
}

CO_ABI int co_os_copy_to_user(co_u64 user_address, const void* from, co_u64 bytes)
{
    host().may_sleep("copy_to_user");
    host().on_copy_to_user();
    if (host().user_memory_is_bad)
        return 14;
    auto* first = static_cast<const std::byte*>(from);
    host().user_memory[user_address].assign(first, first + bytes);
    return 0;
}

CO_ABI co_os_fpu* co_os_fpu_create(void)
{
    host().may_sleep("fpu_create");
    if (host().allocation_fails())
        return nullptr;
    ++host().handles;
    return new co_os_fpu{};
}

CO_ABI void co_os_fpu_destroy(co_os_fpu* fpu)
{
    host().may_sleep("fpu_destroy");
    if (fpu->attached)
        host().violation("destroyed an attached FPU state");
    --host().handles;
    delete fpu;
}

CO_ABI void co_os_fpu_attach(co_os_fpu* fpu)
{
    host().may_sleep("fpu_attach");
    if (host().fpu_attached)
        host().violation("attached a second FPU state");
    fpu->attached = host().fpu_attached = true;
}

CO_ABI void co_os_fpu_detach(co_os_fpu* fpu)
{
    host().may_sleep("fpu_detach");
    if (!fpu->attached)
        host().violation("detached an FPU state that is not attached");
    fpu->attached = host().fpu_attached = host().fpu_loaded = false;
}

CO_ABI void co_os_fpu_load(void)
{
    host().must_be_off("fpu_load");
    if (!host().fpu_attached)
        host().violation("loaded no FPU state");
    host().fpu_loaded = true;
}
