// SPDX-License-Identifier: GPL-2.0
// parallel locks|work|watch THREADS SECONDS: what a multiprocessor's locks are worth. Prints
//   "N operations" of all threads together, and "stall MICROSECONDS", the longest that a thread which sleeps 1 ms at a time was late.
//   locks: each operation takes the locks that all threads share: a mutex (futex), the address space (mmap, page faults, munmap, hence
//          TLB flushes on the other CPUs), a pipe, a directory, the scheduler's (a thread made and joined).
//   work:  each computes on its own.
//   watch: only the stall.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <mutex>
#include <string>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kBytes = 16 * 4096;
constexpr unsigned kStepsPerOperation = 100'000;

std::atomic<bool> over{false};
std::mutex shared;
int pipe_ends[2];

[[noreturn]] void fail(const char* what)
{
    std::perror(what);
    std::_Exit(1);
}

void take_locks(unsigned thread)
{
    std::lock_guard guard{shared};
    auto* memory = static_cast<char*>(mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (memory == MAP_FAILED)
        fail("mmap");
    for (std::size_t at = 0; at < kBytes; at += 4096)
        memory[at] = static_cast<char>(thread);
    munmap(memory, kBytes);
}

void operate(unsigned thread)
{
    take_locks(thread);
    char byte = 0;
    if (write(pipe_ends[1], &byte, 1) != 1 || read(pipe_ends[0], &byte, 1) != 1)
        fail("pipe");
    std::string name = "/tmp/parallel." + std::to_string(getpid()) + "." + std::to_string(thread);
    int file = open(name.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (file < 0)
        fail(name.c_str());
    close(file);
    unlink(name.c_str());
    std::thread{[] {}}.join();
}

void compute(volatile std::uint64_t& value)
{
    for (unsigned i = 0; i < kStepsPerOperation; ++i)
        value = value * 6364136223846793005u + 1442695040888963407u;
}

long long watch(Clock::time_point end)
{
    using namespace std::chrono_literals;
    Clock::duration longest{};
    for (auto before = Clock::now(); before < end;) {
        std::this_thread::sleep_for(1ms);
        auto now = Clock::now();
        longest = std::max(longest, now - before - 1ms);
        before = now;
    }
    return std::chrono::duration_cast<std::chrono::microseconds>(longest).count();
}

} // namespace

int main(int count, char** arguments)
{
    if (count != 4 || pipe(pipe_ends) != 0)
        return 2;
    bool locks = std::strcmp(arguments[1], "locks") == 0, work = std::strcmp(arguments[1], "work") == 0;
    auto threads = static_cast<unsigned>(locks || work ? std::atoi(arguments[2]) : 0);
    std::atomic<long long> operations{0};
    std::vector<std::thread> running;
    for (unsigned thread = 0; thread < threads; ++thread) {
        running.emplace_back([&, thread] {
            volatile std::uint64_t value = thread;
            while (!over) {
                if (locks)
                    operate(thread);
                else
                    compute(value);
                operations.fetch_add(1, std::memory_order_relaxed);
            }
        });
    }
    long long stall = watch(Clock::now() + std::chrono::seconds{std::atoi(arguments[3])});
    over = true;
    for (std::thread& thread : running)
        thread.join();
    std::printf("%lld operations\nstall %lld\n", operations.load(), stall);
}
