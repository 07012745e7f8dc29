// SPDX-License-Identifier: GPL-2.0
// The labels of world_switch.S, and the one place that calls it from C++. The unit tests link a fake switch that
// plays a guest (tests/fakes/world_switch.cpp).
#pragma once

#include <colinux/passage.h>

namespace colinux {
// Byte offsets from the start of the code; in the assembler's order.
struct WorldSwitchOffsets {
    co_u32 first_entry, nmi, mce, debug, fault, end;
};
} // namespace colinux

extern "C" {
extern const char world_switch_begin[];
extern const colinux::WorldSwitchOffsets world_switch_offsets;
}

namespace colinux {

#ifdef COLINUX_FAKE_CPU
void call_world_switch(co_passage_switch_fn code, co_passage* page, co_world* from, co_world* to);
#else
// world_switch() follows the SysV ABI on every host, whatever the compiler's own is.
inline void call_world_switch(co_passage_switch_fn code, co_passage* page, co_world* from, co_world* to)
{
    using Switch = __attribute__((sysv_abi)) void (*)(co_passage*, co_world*, co_world*);
    reinterpret_cast<Switch>(code)(page, from, to);
}
#endif

} // namespace colinux
