// SPDX-License-Identifier: GPL-2.0
#include "tests/fakes/fake_cpu.hpp"

#include "tests/fakes/fake_host.hpp"

#include <algorithm>

namespace colinux {

namespace {

std::map<unsigned, FakeCpu> cpus;

void must_be_off(const char* what)
{
    if (!host().interrupts_off)
        host().violation(std::string{what} + " with interrupts on");
}

} // namespace

FakeCpu& fake_cpu(unsigned index) { return cpus[index]; }
FakeCpu& this_cpu() { return fake_cpu(host().current_cpu); }

FakeCpu::FakeCpu()
{
    // Values that tell where they came from: 0x5057... = host
    for (cpu::Msr index : {cpu::Msr::SysenterCs, cpu::Msr::SysenterEsp, cpu::Msr::SysenterEip, cpu::Msr::Pat, cpu::Msr::Xss,
                           cpu::Msr::Star, cpu::Msr::Lstar, cpu::Msr::Cstar, cpu::Msr::Sfmask, cpu::Msr::TscAux,
                           cpu::Msr::KernelGsBase})
        msrs[index] = 0x5057'0000 + static_cast<std::uint32_t>(index);
    msrs[cpu::Msr::Pat] = 0x0407'0506'0007'0106; // what the CPU would take
    msrs[cpu::Msr::Xss] = 0x100;
    msrs[cpu::Msr::SpecCtrl] = 0;
    msrs[cpu::Msr::SCet] = 0;
    msrs[cpu::Msr::Efer] = 0xd01;
    leaves[{0, 0}] = {0xd, 0, 0, 0};
    leaves[{1, 0}] = {0, 0, 1u << 27, 1u << 24 | 1u << 11};
    leaves[{7, 0}] = {0, 1, 0, 1u << 26};
    leaves[{0xd, 1}] = {1u << 3, 0, 0x1800 | 0x100, 0};
    leaves[{0x8000'0000, 0}] = {0x8000'0008, 0, 0, 0};
    leaves[{0x8000'0001, 0}] = {0, 0, 0, 1u << 20 | 1u << 27};
    leaves[{0x8000'0008, 0}] = {};
}

void FakeCpu::reset()
{
    static std::uint64_t started = 1'000'000;
    cpus.clear();
    tsc = started += 100'000; // no two tests see the same stamp: no machine does
}

void FakeCpu::make_plain()
{
    leaves[{1, 0}].ecx = 0;
    leaves[{7, 0}] = {};
    leaves[{0xd, 1}] = {};
    leaves[{0x8000'0001, 0}].edx = 1u << 20;
    cr4 &= ~(cpu::kCr4OsXsave | cpu::kCr4Pke);
    for (cpu::Msr absent : {cpu::Msr::Xss, cpu::Msr::TscAux, cpu::Msr::SpecCtrl, cpu::Msr::SCet})
        msrs.erase(absent);
}

unsigned FakeCpu::writes_of(cpu::Msr index) const
{
    return std::count_if(writes.begin(), writes.end(), [&](const Write& write) { return write.msr == index; });
}

namespace cpu {

std::uint64_t read_msr(Msr msr)
{
    must_be_off("RDMSR");
    if (!this_cpu().msrs.contains(msr))
        host().violation("RDMSR of an absent register");
    return this_cpu().msrs[msr];
}

void write_msr(Msr msr, std::uint64_t value)
{
    must_be_off("WRMSR");
    if (!this_cpu().msrs.contains(msr))
        host().violation("WRMSR of an absent register");
    this_cpu().msrs[msr] = value;
    this_cpu().writes.push_back({msr, value});
}

std::uint64_t read_cr0() { return this_cpu().cr0; }
std::uint64_t read_cr4() { return this_cpu().cr4; }
std::uint64_t read_tsc() { return FakeCpu::tsc += 10; }

std::uint64_t read_xcr0()
{
    if (!(this_cpu().cr4 & kCr4OsXsave))
        host().violation("XGETBV without CR4.OSXSAVE");
    return this_cpu().xcr0;
}

void write_xcr0(std::uint64_t value)
{
    must_be_off("XSETBV");
    this_cpu().xcr0 = value;
    ++this_cpu().xcr0_writes;
}

std::uint32_t read_pkru()
{
    if (!(this_cpu().cr4 & kCr4Pke))
        host().violation("RDPKRU without CR4.PKE");
    return this_cpu().pkru;
}

void write_pkru(std::uint32_t value)
{
    must_be_off("WRPKRU");
    this_cpu().pkru = value;
}

CpuidResult cpuid(std::uint32_t leaf, std::uint32_t subleaf) { return this_cpu().leaves[{leaf, subleaf}]; }

std::uint64_t read_cr8() { return this_cpu().cr8; }
void write_cr8(std::uint64_t value) { this_cpu().cr8 = value; }
std::uint64_t read_cr2() { return this_cpu().cr2; }

void write_cr2(std::uint64_t value)
{
    must_be_off("MOV to CR2");
    this_cpu().cr2 = value;
}

Selectors read_selectors() { return this_cpu().selectors; }

void load_selectors(const Selectors& selectors)
{
    must_be_off("selectors");
    this_cpu().selectors = selectors;
    this_cpu().fs_base = 0; // as null selectors do
    this_cpu().msrs[Msr::KernelGsBase] = 0;
}

std::uint64_t read_fs_base() { return this_cpu().fs_base; }

void write_fs_base(std::uint64_t value)
{
    must_be_off("WRFSBASE");
    this_cpu().fs_base = value;
}

std::uint64_t read_debug(unsigned index)
{
    must_be_off("MOV from DR");
    return this_cpu().debug[index];
}

void write_debug(unsigned index, std::uint64_t value)
{
    must_be_off("MOV to DR");
    this_cpu().debug[index] = value;
    ++this_cpu().debug_writes;
}

} // namespace cpu

} // namespace colinux
