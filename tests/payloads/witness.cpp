// SPDX-License-Identifier: GPL-2.0
// witness CPU: a process of the host beside a guest on that CPU. Keeps known values in its SSE and general registers,
// across system calls and preemption, until SIGTERM. Exit code 0: they were never different.
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sched.h>
#include <sys/syscall.h>

namespace {

volatile std::sig_atomic_t stopped = 0;

struct alignas(16) State {
    std::uint64_t vector[32], general[5]; // XMM0..15; RBX R12..R15
    std::uint32_t mxcsr;
};

// Loads `in`, gives the CPU away a few times, spins a little, stores to `out`.
void hold(const State& in, State& out)
{
    asm volatile("push %%rbx; push %%r12; push %%r13; push %%r14; push %%r15; push %%rbp\n\t"
                 "mov %0, %%rbp\n\t"
                 "push %1\n\t"
                 ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n\tmovdqa \\n*16(%%rbp), %%xmm\\n\n\t.endr\n\t"
                 "mov 256(%%rbp), %%rbx; mov 264(%%rbp), %%r12; mov 272(%%rbp), %%r13; mov 280(%%rbp), %%r14; mov 288(%%rbp), %%r15\n\t"
                 "ldmxcsr 296(%%rbp)\n\t"
                 "mov $20, %%r8d\n"
                 "1:\tmov %2, %%eax; syscall\n\t" // sched_yield
                 "mov $200, %%edx\n"
                 "2:\tpause; dec %%edx; jnz 2b\n\t"
                 "dec %%r8d; jnz 1b\n\t"
                 "pop %%rbp\n\t"
                 ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n\tmovdqa %%xmm\\n, \\n*16(%%rbp)\n\t.endr\n\t"
                 "mov %%rbx, 256(%%rbp); mov %%r12, 264(%%rbp); mov %%r13, 272(%%rbp); mov %%r14, 280(%%rbp); mov %%r15, 288(%%rbp)\n\t"
                 "stmxcsr 296(%%rbp)\n\t"
                 "pop %%rbp; pop %%r15; pop %%r14; pop %%r13; pop %%r12; pop %%rbx"
                 :
                 : "D"(&in), "S"(&out), "i"(SYS_sched_yield)
                 : "rax", "rcx", "rdx", "r8", "r11", "memory", "cc");
}

} // namespace

int main(int argc, char** argv)
{
    if (argc != 2)
        return std::fprintf(stderr, "usage: witness CPU\n"), 2;
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(std::atoi(argv[1]), &cpus);
    if (sched_setaffinity(0, sizeof(cpus), &cpus) != 0)
        return std::perror("witness"), 2;
    std::signal(SIGTERM, [](int) { stopped = 1; });

    unsigned long rounds = 0, failures = 0;
    State in{}, out{};
    for (; !stopped; ++rounds) {
        for (std::uint64_t& word : in.vector)
            word = word * 6364136223846793005u + rounds + 1;
        for (std::uint64_t& word : in.general)
            word = word * 6364136223846793005u + rounds + 3;
        in.mxcsr = 0x1f80 | (rounds & 3) << 13;
        hold(in, out);
        failures += std::memcmp(&in, &out, offsetof(State, mxcsr) + sizeof(in.mxcsr)) != 0;
    }
    std::printf("witness on %s: %lu rounds, %lu failures\n", argv[1], rounds, failures);
    return failures != 0 || rounds == 0;
}
