// SPDX-License-Identifier: GPL-2.0
#include "vmm/filtered_writes.hpp"

#include <colinux/boot_info.h>
#include <colinux/register_policy.h>

#include <cstdio>
#include <cstring>

namespace colinux {

namespace {

// Nothing when the graft keeps no such counters.
const std::byte* find_counters(const LoadedKernel& loaded, const GuestMemory& memory)
{
    auto symbol = loaded.graft_symbols.find("co_filtered_writes");
    if (symbol == loaded.graft_symbols.end())
        return nullptr;
    return memory.translate(loaded.graft_phys + (symbol->second - CO_GRAFT_VIRT), sizeof(co_filtered_writes));
}

} // namespace

nlohmann::json filtered_writes(const LoadedKernel& loaded, const GuestMemory& memory)
{
    nlohmann::json rows = nlohmann::json::object();
    const std::byte* place = find_counters(loaded, memory);
    if (!place)
        return rows;
    co_filtered_writes counters;
    std::memcpy(&counters, place, sizeof counters);
    if (counters.version != CO_REGISTER_POLICY_VERSION)
        return rows;
    for (std::size_t row = 0; row < CO_MSR_RULES; row++)
        if (counters.msr[row] != 0)
            rows[co_msr_rules[row].name] = counters.msr[row];
    for (std::size_t row = 0; row < CO_CONTROL_RULES; row++)
        if (counters.control[row] != 0)
            rows[co_control_rules[row].name] = counters.control[row];
    if (counters.unlisted != 0) {
        char last[16];
        std::snprintf(last, sizeof last, "0x%x", counters.last_unlisted);
        rows["others"] = counters.unlisted;
        rows["last_other"] = last;
    }
    return rows;
}

} // namespace colinux
