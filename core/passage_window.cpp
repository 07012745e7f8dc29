// SPDX-License-Identifier: GPL-2.0
#include "core/passage_window.hpp"

#include "core/arch/x86_64/world_switch.hpp"
#include "core/frame_mapping.hpp"
#include "core/heap.hpp"

namespace colinux {

namespace {

// Page table entries, SDM Vol. 3, table 4-20
constexpr std::uint64_t kPresent = 1, kWritable = 2, kAccessed = 1 << 5, kDirty = 1 << 6, kNoExecute = 1ull << 63;

constinit Phys code{};
constinit co_os_lock* lock{};
constinit bool reserved[CO_PASSAGE_WINDOW_PAGES]{};

} // namespace

Result<void> PassageWindow::open()
{
    if (co_os_window_open())
        return Error::NoDevice;
    lock = co_os_lock_create();
    code = Phys{co_os_frame_allocate()};
    if (!lock || code.value == 0) {
        close();
        return Error::NoMemory;
    }
    FrameMapping page{code};
    for (std::uint64_t i = 0; i < world_switch_offsets.end; ++i)
        page.as<char>()[i] = world_switch_begin[i];
    reserved[0] = true;
    co_os_window_map(0, code.value, true);
    return {};
}

void PassageWindow::close()
{
    co_os_window_close();
    if (code.value)
        co_os_frame_free(code.value);
    if (lock)
        co_os_lock_destroy(lock);
    code = Phys{};
    lock = nullptr;
}

Result<unsigned> PassageWindow::reserve(unsigned count)
{
    LockGuard guard{lock};
    unsigned run = 0;
    for (unsigned page = 0; page < CO_PASSAGE_WINDOW_PAGES; ++page) {
        run = reserved[page] ? 0 : run + 1;
        if (run == count) {
            unsigned first = page + 1 - count;
            for (unsigned i = 0; i < count; ++i)
                reserved[first + i] = true;
            return first;
        }
    }
    return Error::NoMemory;
}

void PassageWindow::release(unsigned first, unsigned count)
{
    LockGuard guard{lock};
    for (unsigned i = 0; i < count; ++i)
        reserved[first + i] = false;
}

std::uint64_t PassageWindow::data_entry(Phys frame)
{
    return frame.value | kPresent | kWritable | kAccessed | kDirty | kNoExecute;
}

std::uint64_t PassageWindow::code_entry() { return code.value | kPresent | kAccessed; }

} // namespace colinux
