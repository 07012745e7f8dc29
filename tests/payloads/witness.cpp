// SPDX-License-Identifier: GPL-2.0
// witness CPU SEED: a process of the host beside a guest on that CPU; the host's half of the randomised-state test. Keeps
// random values in all its registers (general, RFLAGS, selectors and bases, extended state, a breakpoint by perf), across
// preemption and system calls, until SIGTERM. Exit code 0: they were never different.
#include "xsave_area.h"

#include <asm/ldt.h>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

struct Held { // witness_hold.S counts on this order
    std::uint64_t general[16], rflags, fs_base, gs_base;
    std::uint16_t selectors[4]; // DS ES FS GS
    std::uint64_t components, pauses, yields, has_bases, has_xsave;
};
static_assert(offsetof(Held, has_xsave) == 24 * 8);

extern "C" {
Held held;
xsave_area held_fpu;
volatile std::uint32_t watched;
void hold();
}

namespace {

constexpr std::uint64_t kRandomRflags = 0x244cd5; // CF PF AF ZF SF DF OF NT AC ID
constexpr std::uint16_t kUserData = 0x2b, kLdtData = 0x7;
constexpr std::uint64_t kMostPauses = 4000;
constexpr unsigned kHwcap2FsGsBase = 1 << 1;
constexpr unsigned kTscAuxCpu = 0xfff; // Linux: node << 12 | CPU

[[noreturn]] void fail(const char* what)
{
    std::fprintf(stderr, "witness: %s: %s\n", what, std::strerror(errno));
    std::exit(2);
}

void stay_on(unsigned cpu)
{
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(cpu, &cpus);
    if (sched_setaffinity(0, sizeof(cpus), &cpus) != 0)
        fail("sched_setaffinity");
}

// A descriptor in the LDT, so that this process has one
void make_ldt()
{
    user_desc data{};
    data.limit = 0xfffff;
    data.seg_32bit = data.limit_in_pages = data.useable = 1;
    if (syscall(SYS_modify_ldt, 1, &data, sizeof(data)) != 0)
        fail("modify_ldt");
}

int count_writes_of_watched()
{
    perf_event_attr event{};
    event.type = PERF_TYPE_BREAKPOINT;
    event.size = sizeof(event);
    event.bp_type = HW_BREAKPOINT_W;
    event.bp_addr = reinterpret_cast<std::uintptr_t>(&watched);
    event.bp_len = HW_BREAKPOINT_LEN_4;
    event.exclude_kernel = event.exclude_hv = event.pinned = 1;
    int fd = static_cast<int>(syscall(SYS_perf_event_open, &event, 0, -1, -1, 0));
    if (fd < 0)
        fail("perf_event_open");
    return fd;
}

void find_features()
{
    held.has_bases = (getauxval(AT_HWCAP2) & kHwcap2FsGsBase) != 0;
    held.has_xsave = cpuid(1, 0).ecx >> 27 & 1;
    held.components = held.has_xsave ? read_xcr0() & XCR0_RANDOMISED : XCR0_X87 | XCR0_SSE;
    asm volatile("fxsave64 %0" : "+m"(held_fpu)); // for mxcsr_mask
}

std::uint16_t random_selector()
{
    constexpr std::uint16_t kChoice[4] = {0, kUserData, kLdtData, kLdtData};
    return kChoice[random_bits() & 3];
}

void choose()
{
    for (std::uint64_t& word : held.general)
        word = random_bits();
    held.rflags = 0x202 | (random_bits() & kRandomRflags);
    held.fs_base = random_canonical();
    held.gs_base = random_canonical();
    for (std::uint16_t& selector : held.selectors)
        selector = random_selector();
    held.pauses = 1 + random_bits() % kMostPauses;
    held.yields = random_bits() & 1;
    randomise(&held_fpu, held.components);
    if (held.components & XCR0_PKRU)
        *pkru_of(&held_fpu) &= ~3u; // our own memory has key 0
}

bool tsc_aux_is(unsigned cpu)
{
    if (!(cpuid(0x80000001, 0).edx >> 27 & 1))
        return true;
    std::uint32_t low, high, aux;
    asm volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(aux));
    return (aux & kTscAuxCpu) == cpu;
}

// What a difference was in, for the report
const char* difference(const Held& before, const xsave_area& fpu_before)
{
    if (std::memcmp(before.general, held.general, sizeof(held.general)) != 0)
        return "general registers";
    if (before.rflags != held.rflags)
        return "RFLAGS";
    if (std::memcmp(before.selectors, held.selectors, held.has_bases ? 8 : 4) != 0)
        return "selectors";
    if (before.fs_base != held.fs_base || before.gs_base != held.gs_base)
        return "bases";
    if (!same_contents(&fpu_before, &held_fpu))
        return "extended state";
    return nullptr;
}

bool asked_to_stop(const sigset_t& stop)
{
    timespec now{};
    return sigtimedwait(&stop, nullptr, &now) == SIGTERM;
}

} // namespace

int main(int argc, char** argv)
{
    if (argc != 3)
        return std::fprintf(stderr, "usage: witness CPU SEED\n"), 2;
    unsigned cpu = std::strtoul(argv[1], nullptr, 0);
    random_state = std::strtoull(argv[2], nullptr, 0) + cpu;
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigprocmask(SIG_BLOCK, &stop, nullptr); // no handler may run on a random stack
    stay_on(cpu);
    make_ldt();
    find_features();
    int breakpoint = count_writes_of_watched();

    std::uint64_t rounds = 0, failures = 0, hits = 0;
    for (; rounds == 0 || !asked_to_stop(stop); ++rounds) { // one at least: Bochs is slow
        choose();
        Held before = held;
        static xsave_area fpu_before;
        fpu_before = held_fpu;
        hold();
        const char* wrong = tsc_aux_is(cpu) ? difference(before, fpu_before) : "TSC_AUX";
        if (wrong && failures++ == 0)
            std::printf("witness on %u: round %lu: %s differ\n", cpu, rounds, wrong);
    }
    if (read(breakpoint, &hits, sizeof(hits)) != sizeof(hits))
        fail("read of the breakpoint's count");
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    std::printf("witness on %u, seed %s: %lu rounds, %ld time slices, %lu failures, %lu of %lu breakpoints\n", cpu, argv[2], rounds,
                usage.ru_nivcsw, failures, hits, rounds);
    return failures != 0 || rounds == 0 || hits != rounds;
}
