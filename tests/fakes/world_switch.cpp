// SPDX-License-Identifier: GPL-2.0
// The world switch of the tests: instead of another kernel, FakeHost::guest plays. Code bytes and labels are made up.
#include "core/arch/x86_64/world_switch.hpp"

#include "tests/fakes/fake_host.hpp"

extern "C" {
alignas(4096) constinit const char world_switch_begin[4096] = "the switch code";
constinit const colinux::WorldSwitchOffsets world_switch_offsets{0x100, 0x200, 0x210, 0x220, 0x230, 0x240, 0x300};
}

namespace colinux {

void call_world_switch(co_passage_switch_fn, co_passage* page, co_world* from, co_world* to)
{
    host().must_be_off("cross");
    if (!host().fpu_loaded)
        host().violation("crossed without the guest's FPU state");
    if (from != &page->host || to != &page->guest)
        host().violation("crossed in the wrong direction");
    host().guest(*page);
}

} // namespace colinux
