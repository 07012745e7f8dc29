// SPDX-License-Identifier: GPL-2.0
// Machine: memory that comes and goes while the guest runs, for `colinux memory`.
#include "vmm/machine.hpp"

#include "control/config_text.hpp"

namespace colinux {

// First nobody begins to use it any more, then it goes. Who translated an address of it before sees the driver's substitute page.
int Machine::give_up_block(std::uint64_t phys)
{
    if (!memory_.withdraw(phys, CO_BLOCK_SIZE))
        return EINVAL;
    int result = guest_->give_up_block(phys);
    if (result != 0)
        memory_.restore(phys, CO_BLOCK_SIZE);
    return result;
}

int Machine::take_back_block(std::uint64_t phys)
{
    int result = guest_->take_back_block(phys);
    if (result == 0)
        memory_.restore(phys, CO_BLOCK_SIZE);
    return result;
}

nlohmann::json Machine::memory(std::optional<std::uint64_t> wanted)
{
    std::shared_lock lock = as_it_is();
    MemoryDevice& device = *inputs_->memory;
    if (wanted) {
        std::uint64_t bytes = round_up_memory(*wanted);
        if (bytes < kMinimumMemoryBytes || bytes > config_.memory_bytes)
            throw Failure{ExitCode::MemorySize, "memory " + size_text(*wanted) + ": guest " + config_.name + " can have " + size_text(kMinimumMemoryBytes) +
                                                    " at least and at most the " + size_text(config_.memory_bytes) + " that it started with"};
        if (!device.state().ready)
            throw Failure{ExitCode::MemoryFixed, "guest " + config_.name + " has nothing that changes its memory: it is still booting, or its graft is an "
                                                 "older one; wait until it is up, or build the graft anew (`colinux graft build`) and start the guest again"};
        device.want(bytes);
    }
    MemoryDevice::State state = device.state();
    return {{"current_bytes", state.present_bytes}, {"wanted_bytes", state.wanted_bytes}, {"initial_bytes", config_.memory_bytes},
            {"maximum_bytes", config_.memory_bytes}, {"minimum_bytes", kMinimumMemoryBytes}, {"ready", state.ready}, {"settled", state.settled}};
}

} // namespace colinux
