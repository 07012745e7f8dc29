// SPDX-License-Identifier: GPL-2.0
// The CPU's registers and instructions that the core touches, named as in the SDM. Each function is one
// instruction. MSR and control-register accesses need ring 0; the unit tests supply their own (fakes/cpu.cpp).
#pragma once

#include <cstdint>

namespace colinux::cpu {

inline constexpr std::uint64_t kCr0Mp = 1u << 1, kCr0Em = 1u << 2, kCr0Ts = 1u << 3;
inline constexpr std::uint64_t kCr4Pae = 1u << 5, kCr4Mce = 1u << 6, kCr4Pge = 1u << 7, kCr4La57 = 1u << 12,
                               kCr4FsGsBase = 1u << 16, kCr4OsXsave = 1u << 18, kCr4Pke = 1u << 22, kCr4Cet = 1u << 23,
                               kCr4Uintr = 1u << 25, kCr4Fred = 1ull << 32;
// Bits that have a meaning (SDM Vol. 3, 2.5): all but 15, 26, 29 to 31 and those above FRED
inline constexpr std::uint64_t kCr4Known = 0x1'1bff'7fff;
inline constexpr std::uint64_t kSCetShadowStack = 1u << 0; // SDM Vol. 4, table 2-2
inline constexpr std::uint64_t kDr7Off = 0x400; // bit 10 is always set

enum class Msr : std::uint32_t {
    SysenterCs = 0x174,
    SysenterEsp = 0x175,
    SysenterEip = 0x176,
    MiscEnable = 0x1a0,
    DebugCtl = 0x1d9,
    Pat = 0x277,
    PebsEnable = 0x3f1,
    SpecCtrl = 0x48,
    SCet = 0x6a2,
    Xss = 0xda0,
    Efer = 0xc0000080,
    FsBase = 0xc0000100,
    KernelGsBase = 0xc0000102,
    Star = 0xc0000081,
    Lstar = 0xc0000082,
    Cstar = 0xc0000083,
    Sfmask = 0xc0000084,
    TscAux = 0xc0000103,
};

struct CpuidResult {
    std::uint32_t eax, ebx, ecx, edx;
};

struct Selectors {
    std::uint16_t ds, es, fs, gs, ldtr;
    bool operator==(const Selectors&) const = default;
};

#ifdef COLINUX_FAKE_CPU // unit tests: same names, defined in tests/fakes/cpu.cpp
std::uint64_t read_msr(Msr msr);
void write_msr(Msr msr, std::uint64_t value);
std::uint64_t read_cr0();
std::uint64_t read_cr4();
std::uint64_t read_tsc();
std::uint64_t read_xcr0();
void write_xcr0(std::uint64_t value);
std::uint32_t read_pkru();
void write_pkru(std::uint32_t value);
CpuidResult cpuid(std::uint32_t leaf, std::uint32_t subleaf);
std::uint64_t read_cr2();
void write_cr2(std::uint64_t value);
std::uint64_t read_cr8();
void write_cr8(std::uint64_t value);
Selectors read_selectors();
void load_selectors(const Selectors& selectors);
std::uint64_t read_fs_base();
void write_fs_base(std::uint64_t value);
std::uint64_t read_debug(unsigned index);
void write_debug(unsigned index, std::uint64_t value);
template <int N>
std::uint64_t read_debug()
{
    return read_debug(N);
}
template <int N>
void write_debug(std::uint64_t value)
{
    write_debug(N, value);
}
#else
inline std::uint64_t read_msr(Msr msr)
{
    std::uint32_t low, high;
    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(static_cast<std::uint32_t>(msr)));
    return low | (static_cast<std::uint64_t>(high) << 32);
}

inline void write_msr(Msr msr, std::uint64_t value)
{
    asm volatile("wrmsr" : : "c"(static_cast<std::uint32_t>(msr)), "a"(static_cast<std::uint32_t>(value)),
                 "d"(static_cast<std::uint32_t>(value >> 32)) : "memory");
}

inline std::uint64_t read_cr0()
{
    std::uint64_t value;
    asm volatile("mov %%cr0, %0" : "=r"(value));
    return value;
}

inline std::uint64_t read_cr4()
{
    std::uint64_t value;
    asm volatile("mov %%cr4, %0" : "=r"(value));
    return value;
}

inline std::uint64_t read_tsc()
{
    std::uint32_t low, high;
    asm volatile("rdtsc" : "=a"(low), "=d"(high));
    return low | (static_cast<std::uint64_t>(high) << 32);
}

inline std::uint64_t read_xcr0() // CR4.OSXSAVE must be set
{
    std::uint32_t low, high;
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low | (static_cast<std::uint64_t>(high) << 32);
}

inline void write_xcr0(std::uint64_t value)
{
    asm volatile("xsetbv" : : "c"(0), "a"(static_cast<std::uint32_t>(value)),
                 "d"(static_cast<std::uint32_t>(value >> 32)));
}

inline std::uint32_t read_pkru() // CR4.PKE must be set
{
    std::uint32_t value, zero;
    asm volatile("rdpkru" : "=a"(value), "=d"(zero) : "c"(0));
    return value;
}

inline void write_pkru(std::uint32_t value) { asm volatile("wrpkru" : : "a"(value), "c"(0), "d"(0)); }

inline CpuidResult cpuid(std::uint32_t leaf, std::uint32_t subleaf)
{
    CpuidResult r;
    asm volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    return r;
}

inline std::uint64_t read_cr2()
{
    std::uint64_t value;
    asm volatile("mov %%cr2, %0" : "=r"(value));
    return value;
}

inline void write_cr2(std::uint64_t value) { asm volatile("mov %0, %%cr2" : : "r"(value)); }

inline std::uint64_t read_cr8()
{
    std::uint64_t value;
    asm volatile("mov %%cr8, %0" : "=r"(value));
    return value;
}

inline void write_cr8(std::uint64_t value) { asm volatile("mov %0, %%cr8" : : "r"(value) : "memory"); }

inline Selectors read_selectors()
{
    Selectors s;
    asm volatile("mov %%ds, %0" : "=m"(s.ds));
    asm volatile("mov %%es, %0" : "=m"(s.es));
    asm volatile("mov %%fs, %0" : "=m"(s.fs));
    asm volatile("mov %%gs, %0" : "=m"(s.gs));
    asm volatile("sldt %0" : "=m"(s.ldtr));
    return s;
}

// This kernel's own, that it has loaded before. The active GS base stays; FS and inactive GS base are lost.
inline void load_selectors(const Selectors& s)
{
    asm volatile("lldt %0" : : "r"(s.ldtr));
    asm volatile("mov %0, %%ds" : : "r"(s.ds));
    asm volatile("mov %0, %%es" : : "r"(s.es));
    asm volatile("mov %0, %%fs" : : "r"(s.fs));
    asm volatile("swapgs; mov %0, %%gs; mfence; swapgs" : : "r"(s.gs) : "memory"); // mfence: AMD erratum 88
}

// By instruction where CR4.FSGSBASE is on, else by MSR
inline std::uint64_t read_fs_base()
{
    if (!(read_cr4() & kCr4FsGsBase))
        return read_msr(Msr::FsBase);
    std::uint64_t value;
    asm volatile("rdfsbase %0" : "=r"(value));
    return value;
}

inline void write_fs_base(std::uint64_t value)
{
    if (read_cr4() & kCr4FsGsBase)
        asm volatile("wrfsbase %0" : : "r"(value));
    else
        write_msr(Msr::FsBase, value);
}

template <int N>
std::uint64_t read_debug()
{
    std::uint64_t value;
    asm volatile("mov %%db%c1, %0" : "=r"(value) : "i"(N));
    return value;
}

template <int N>
void write_debug(std::uint64_t value)
{
    asm volatile("mov %0, %%db%c1" : : "r"(value), "i"(N));
}
#endif

inline void barrier() { asm volatile("" : : : "memory"); }

} // namespace colinux::cpu
