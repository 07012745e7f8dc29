// SPDX-License-Identifier: GPL-2.0
#include "core/transit_tables.hpp"

#include <colinux/host_os.h>

namespace colinux {

namespace {

// Page table entries, SDM Vol. 3, table 4-20
constexpr std::uint64_t kPresent = 1, kWritable = 2, kAccessed = 1 << 5, kDirty = 1 << 6, kNoExecute = 1ull << 63;
constexpr std::uint64_t kAddressMask = 0x000ffffffffff000ull;

std::uint64_t* entries_of(Phys table) { return static_cast<std::uint64_t*>(co_os_frame_address(table.value)); }

} // namespace

TransitTables::~TransitTables()
{
    for (unsigned i = 0; i < table_count_; ++i)
        co_os_frame_free(tables_[i].value);
    counter_.remove(table_count_);
}

Result<Phys> TransitTables::make_table()
{
    if (table_count_ == kMaxTables)
        return Error::NoMemory;
    Phys frame{co_os_frame_allocate()};
    if (frame.value == 0)
        return Error::NoMemory;
    counter_.add(1);
    return tables_[table_count_++] = frame;
}

Result<void> TransitTables::create(unsigned levels)
{
    levels_ = levels;
    root_ = TRY(make_table());
    return {};
}

Result<void> TransitTables::map(std::uint64_t virt, Phys frame, Access access)
{
    Phys table = root_;
    for (unsigned level = levels_; level > 1; --level) {
        std::uint64_t& entry = entries_of(table)[(virt >> (12 + 9 * (level - 1))) & 511];
        if (!(entry & kPresent))
            entry = TRY(make_table()).value | kPresent | kWritable | kAccessed;
        table = Phys{entry & kAddressMask};
    }
    std::uint64_t& entry = entries_of(table)[(virt >> 12) & 511];
    std::uint64_t wanted = frame.value | kPresent | kAccessed |
                           (access == Access::ReadWrite ? kWritable | kDirty | kNoExecute : 0);
    if (entry & kPresent && entry != wanted)
        return Error::Exists;
    entry = wanted;
    return {};
}

} // namespace colinux
