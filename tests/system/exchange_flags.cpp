// SPDX-License-Identifier: GPL-2.0
// exchange_flags: exit code 1 when CMPXCHG16B or CMPXCHG8B changes another flag than ZF.
#include <cstdio>

namespace {

alignas(16) unsigned long memory[2];

// The flags behind an addition that sets none but PF, and an exchange that succeeds
template <bool Wide>
unsigned long flags_behind()
{
    unsigned long flags, sum = 0, a = memory[0], d = Wide ? memory[1] : 0;
    asm volatile("pushq $0x246\n\tpopfq\n\t" // what the emulator keeps of the flags is now just these
                 "addq $0x175f1303, %1\n\t"
                 ".if %c6\n\tcmpxchg16b %2\n\t.else\n\tcmpxchg8b %2\n\t.endif\n\t"
                 "pushfq\n\tpopq %0"
                 : "=&r"(flags), "+r"(sum), "+m"(memory), "+a"(a), "+d"(d)
                 : "b"(memory[0]), "i"(Wide), "c"(0ul)
                 : "cc");
    return flags;
}

} // namespace

int main()
{
    constexpr unsigned long kWanted = 0x246; // IF, ZF, PF, and the bit that is always set
    unsigned long wide = flags_behind<true>(), narrow = flags_behind<false>();
    std::printf("RFLAGS %#lx, %#lx; wanted: %#lx\n", wide, narrow, kWanted);
    return wide == kWanted && narrow == kWanted ? 0 : 1;
}
