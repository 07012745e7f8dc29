// SPDX-License-Identifier: GPL-2.0
#include "tests/fakes/window_tables.hpp"

#include "base/address.hpp"
#include "tests/fakes/fake_host.hpp"

#include <colinux/boot_info.h>
#include <colinux/host_os.h>
#include <colinux/passage.h>

namespace colinux {

namespace {

constexpr std::uint64_t kPresentWritable = 3, kAddressMask = 0x000f'ffff'ffff'f000;

std::uint64_t* table_at(std::uint64_t phys) { return static_cast<std::uint64_t*>(host().address_of(phys)); }
unsigned slot_of(std::uint64_t virt, unsigned level) { return virt >> (12 + 9 * (level - 1)) & 511; }

} // namespace

void build_window_tables(std::uint64_t root, std::uint64_t phys, std::uint64_t passage_table, unsigned levels)
{
    std::uint64_t table = root;
    for (unsigned level = levels; level > 1; --level, table += kPageSize)
        table_at(table)[slot_of(CO_GRAFT_VIRT, level)] = (table + kPageSize) | kPresentWritable;
    for (unsigned page = 0; page < 512; ++page)
        table_at(table)[page] = (phys + page * kPageSize) | kPresentWritable;
    table_at(table - kPageSize)[slot_of(CO_PASSAGE_VIRT, 2)] = passage_table | kPresentWritable;
}

std::uint64_t& passage_entry(std::uint64_t root, unsigned level, unsigned levels)
{
    std::uint64_t table = root;
    for (unsigned above = levels; above > level; --above)
        table = table_at(table)[slot_of(CO_PASSAGE_VIRT, above)] & kAddressMask;
    return table_at(table)[slot_of(CO_PASSAGE_VIRT, level)];
}

} // namespace colinux
