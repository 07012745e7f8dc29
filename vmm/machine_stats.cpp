// SPDX-License-Identifier: GPL-2.0
// Machine::stats(): the driver's and the graft's counters with names, for `colinux stats`.
#include "vmm/machine.hpp"

#include "vmm/call_names.hpp"
#include "vmm/filtered_writes.hpp"
#include "vmm/sys/linux/privileges.hpp"

namespace colinux {

namespace {

constexpr std::uint64_t kFrameBytes = 4096;

static_assert(CO_CALL_COUNT <= std::size(co_guest_stats{}.calls));

} // namespace

nlohmann::json Machine::stats()
{
    std::lock_guard lock{guest_mutex_};
    if (!guest_)
        throw Failure{ExitCode::ControlSocket, "guest " + config_.name + " reboots: ask again"};
    co_guest_stats stats = guest_->stats();
    nlohmann::json calls = nlohmann::json::object();
    for (std::size_t call = 0; call < CO_CALL_COUNT; call++)
        if (stats.calls[call] != 0)
            calls[kCallNames[call]] = stats.calls[call];
    return {{"memory_bytes", stats.frames * kFrameBytes},
            {"overhead_bytes", stats.overhead_frames * kFrameBytes},
            {"switches", stats.switches},
            {"calls", calls},
            {"nmis", stats.nmis},
            {"passage_nmis", stats.passage_nmis},
            {"preemption_nmis", stats.preemption_nmis},
            {"refused_system_calls", refused_system_calls()},
            {"filtered_writes", filtered_writes(loaded_, memory_)}};
}

} // namespace colinux
