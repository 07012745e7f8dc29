// SPDX-License-Identifier: GPL-2.0
// crashme SEED COUNT: COUNT processes in the guest, each of which executes a page of random bytes with random registers, as
// nobody. Says how they ended. (After the program of that name by G. Carrette.)
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace {

constexpr std::size_t kBytes = 4096;
constexpr int kNobody = 65534, kStackWord = 256;

std::uint64_t state;

std::uint64_t random_bits() // SplitMix64
{
    std::uint64_t bits = state += 0x9e3779b97f4a7c15;
    bits = (bits ^ bits >> 30) * 0xbf58476d1ce4e5b9;
    bits = (bits ^ bits >> 27) * 0x94d049bb133111eb;
    return bits ^ bits >> 31;
}

[[noreturn]] void execute_noise()
{
    auto* words = static_cast<std::uint64_t*>(mmap(nullptr, 2 * kBytes, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    for (std::size_t i = 0; i < 2 * kBytes / sizeof *words; i++)
        words[i] = random_bits();
    std::uint64_t start = reinterpret_cast<std::uint64_t>(words) + random_bits() % kBytes;
    rlimit no_core{0, 0}, few{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    setrlimit(RLIMIT_NPROC, &few);
    if (setgid(kNobody) != 0 || setuid(kNobody) != 0)
        _exit(1);
    itimerval soon{{0, 50'000}, {0, 50'000}}; // again and again
    setitimer(ITIMER_REAL, &soon, nullptr);
    std::uint64_t a = random_bits(), b = random_bits(), c = random_bits(), d = random_bits();
    asm volatile("movq %0, %%rsp; jmp *%1"
                 :
                 : "r"(words + kStackWord), "r"(start), "a"(a), "c"(b), "d"(c), "S"(d), "D"(start & random_bits())
                 : "memory");
    __builtin_unreachable();
}

} // namespace

int main(int argc, char** argv)
{
    if (argc != 3)
        return 2;
    state = std::strtoull(argv[1], nullptr, 0);
    int count = std::atoi(argv[2]), by_signal[65]{}, exited = 0;
    for (int i = 0; i < count; i++) {
        random_bits();
        pid_t child = fork();
        if (child == 0)
            execute_noise();
        int status = 0;
        if (child < 0 || waitpid(child, &status, 0) != child)
            return std::perror("crashme"), 1;
        WIFSIGNALED(status) ? ++by_signal[WTERMSIG(status)] : ++exited;
    }
    std::printf("crashme: %d exited", exited);
    for (int signal = 1; signal < 65; signal++)
        if (by_signal[signal])
            std::printf(", %d by signal %d", by_signal[signal], signal);
    std::printf("\n");
}
