// SPDX-License-Identifier: GPL-2.0
// The world switch of the tests: instead of another kernel, FakeHost::guest plays. Code bytes and labels are made up.
#include "core/arch/x86_64/world_switch.hpp"

#include "tests/fakes/fake_cpu.hpp"
#include "tests/fakes/fake_host.hpp"

#include <cstddef>

extern "C" {
alignas(4096) constinit const char world_switch_begin[4096] = "the switch code";
constinit const colinux::WorldSwitchOffsets world_switch_offsets{0x200, 0x210, 0x220, 0x230, 0x240, 0x300};
}

namespace colinux {

void call_world_switch(co_passage_switch_fn code, co_passage* shared, co_world* from, co_world* to)
{
    host().must_be_off("cross");
    if (!host().fpu_loaded)
        host().violation("crossed without the guest's FPU state");
    if (reinterpret_cast<std::uint64_t>(code) != CO_PASSAGE_VIRT || !host().window.contains(0))
        host().violation("called something else than the switch");
    auto address = [](auto* where) { return reinterpret_cast<std::uint64_t>(where); };
    if (address(from) - address(shared) != offsetof(co_passage, host) || address(to) - address(shared) != offsetof(co_passage, guest))
        host().violation("crossed in the wrong direction");
    unsigned page = (address(shared) - CO_PASSAGE_VIRT) / CO_PAGE_SIZE;
    auto& passage = *static_cast<co_passage*>(host().address_of(host().window.at(page)));
    passage.user.load = 0; // loaded
    passage.host.dr7 = this_cpu().debug[7];
    this_cpu().debug[7] = passage.guest.dr7;
    host().guest(passage);
    passage.guest.dr7 = this_cpu().debug[7];
    this_cpu().debug[7] = passage.host.dr7;
}

} // namespace colinux
