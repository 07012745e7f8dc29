// SPDX-License-Identifier: GPL-2.0
// habits: does what programs may do with a CPU beyond the everyday: 32-bit code, segments of its own, single steps, watchpoints,
// userfaultfd, huge pages. Prints a line for each, the same on every healthy kernel; a test compares a guest's lines with the host's.
#include <asm/ldt.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <cerrno>
#include <csetjmp>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <thread>

namespace {

sigjmp_buf back;
siginfo_t last_signal;

void note_signal(int, siginfo_t* info, void*)
{
    asm volatile("pushfq; andq $~0x40000, (%%rsp); popfq" ::: "memory"); // AC would strike here, too
    last_signal = *info;
    siglongjmp(back, 1);
}

// The signal that `action` ends with, as "SIGNAL/CODE"; "none".
template <typename Action>
void say_signal(const char* name, Action action)
{
    struct sigaction handler {};
    handler.sa_sigaction = note_signal;
    handler.sa_flags = SA_SIGINFO | SA_NODEFER;
    for (int signal : {SIGSEGV, SIGILL, SIGFPE, SIGTRAP, SIGBUS})
        sigaction(signal, &handler, nullptr);
    if (sigsetjmp(back, 1) == 0) {
        action();
        std::printf("%s: none\n", name);
    } else {
        std::printf("%s: signal %d code %d\n", name, last_signal.si_signo, last_signal.si_code);
    }
}

long int80(long number, long argument)
{
    long result;
    asm volatile("int $0x80" : "=a"(result) : "a"(number), "b"(argument) : "memory", "r8", "r9", "r10", "r11");
    return result;
}

// 32-bit code in this process: a far jump to the compatibility segment, int 0x80 there, and back. (No far return: QEMU 7.2 carries its loads
// out as the kernel's, which SMAP forbids.)
extern "C" long in_compatibility_mode(void* stack);
asm(R"(
    .pushsection .text
in_compatibility_mode:
    pushq %rbx
    pushq %rbp
    movq %rsp, %rbp
    movq %rdi, %rsp
    ljmpl *3f(%rip)
    .code32
1:  movl $20, %eax
    int $0x80
    ljmp $0x33, $2f
    .code64
2:  movq %rbp, %rsp
    popq %rbp
    popq %rbx
    ret
3:  .long 1b
    .word 0x23
    .popsection
)");

void segments()
{
    static std::uint32_t word = 0x5eed;
    user_desc entry{};
    entry.entry_number = 3;
    entry.base_addr = static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(&word));
    entry.limit = 3;
    entry.seg_32bit = 1;
    entry.useable = 1;
    long set = syscall(SYS_modify_ldt, 1, &entry, sizeof entry);
    std::uint32_t read = 0;
    unsigned selector = 3 << 3 | 7;
    if (set == 0)
        for (int i = 0; i < 100; i++) { // it survives switches of the task
            asm volatile("movl %1, %%gs; movl %%gs:0, %0; movl %2, %%gs" : "=&r"(read) : "r"(selector), "r"(0));
            sched_yield();
        }
    std::printf("modify_ldt: %ld %x\n", set, read);
}

int traced_child()
{
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    raise(SIGSTOP);
    static volatile int watched;
    std::uintptr_t address = reinterpret_cast<std::uintptr_t>(&watched);
    asm volatile("int3" ::"a"(address)); // the parent sets a watchpoint there
    watched = 1;
    for (int i = 0; i < 3; i++)
        syscall(SYS_getppid);
    return 7;
}

void debugging()
{
    pid_t child = fork();
    if (child == 0)
        _exit(traced_child());
    int status, steps = 0, watch_hits = 0;
    waitpid(child, &status, 0);
    ptrace(PTRACE_CONT, child, nullptr, nullptr);
    waitpid(child, &status, 0);
    user_regs_struct registers{};
    ptrace(PTRACE_GETREGS, child, nullptr, &registers);
    ptrace(PTRACE_POKEUSER, child, offsetof(user, u_debugreg[0]), registers.rax);
    long set = ptrace(PTRACE_POKEUSER, child, offsetof(user, u_debugreg[7]), 1 | 1 << 16 | 3 << 18);
    ptrace(PTRACE_CONT, child, nullptr, nullptr);
    for (waitpid(child, &status, 0); WIFSTOPPED(status); waitpid(child, &status, 0)) {
        watch_hits += static_cast<int>(ptrace(PTRACE_PEEKUSER, child, offsetof(user, u_debugreg[6]), nullptr) & 1);
        ptrace(PTRACE_POKEUSER, child, offsetof(user, u_debugreg[6]), 0);
        steps++;
        if (ptrace(steps < 400 ? PTRACE_SINGLESTEP : PTRACE_CONT, child, nullptr, nullptr) != 0)
            break;
    }
    std::printf("ptrace: watchpoint %ld hits %d, stepped %s, exit %d\n", set, watch_hits, steps > 10 ? "many" : "few", WEXITSTATUS(status));
}

void user_faults()
{
    long fd = syscall(SYS_userfaultfd, O_CLOEXEC);
    auto* page = static_cast<char*>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    uffdio_api api{.api = UFFD_API, .features = 0, .ioctls = 0};
    uffdio_register range{};
    range.range = {reinterpret_cast<std::uintptr_t>(page), 4096};
    range.mode = UFFDIO_REGISTER_MODE_MISSING;
    int descriptor = static_cast<int>(fd);
    if (fd < 0 || ioctl(descriptor, UFFDIO_API, &api) != 0 || ioctl(descriptor, UFFDIO_REGISTER, &range) != 0) {
        std::printf("userfaultfd: %s\n", std::strerror(errno));
        return;
    }
    std::thread server{[&] {
        uffd_msg message{};
        if (read(descriptor, &message, sizeof message) != sizeof message)
            return;
        alignas(4096) static char content[4096] = "filled";
        uffdio_copy copy{range.range.start, reinterpret_cast<std::uintptr_t>(content), 4096, 0, 0};
        ioctl(descriptor, UFFDIO_COPY, &copy);
    }};
    std::printf("userfaultfd: %s\n", page);
    server.join();
}

void huge_pages()
{
    constexpr std::size_t kBytes = 8 << 20;
    auto* area = static_cast<char*>(mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    madvise(area, kBytes, MADV_HUGEPAGE);
    std::memset(area, 7, kBytes);
    pid_t child = fork();
    if (child == 0) { // copies on write, splits
        for (std::size_t at = 0; at < kBytes; at += 4096)
            area[at] = 9;
        munmap(area + (1 << 20), 4096);
        _exit(area[4096] == 9 && area[1] == 7 ? 3 : 4);
    }
    int status;
    waitpid(child, &status, 0);
    std::printf("huge pages: %d %d\n", WEXITSTATUS(status), area[kBytes - 4096]);
}

} // namespace

int main()
{
    setvbuf(stdout, nullptr, _IONBF, 0);
    std::printf("int80: %s\n", int80(20, 0) == getpid() ? "pid" : "wrong"); // __NR_getpid of 32-bit programs
    std::printf("int80 of no call: %ld\n", int80(9999, 0));
    void* stack = mmap(nullptr, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    std::printf("compatibility mode: %s\n", in_compatibility_mode(static_cast<char*>(stack) + 65536) == getpid() ? "pid" : "wrong");
    segments();
    debugging();
    user_faults();
    huge_pages();
    say_signal("divide", [] { asm volatile("xorl %%ecx, %%ecx; divl %%ecx" ::: "eax", "ecx", "edx"); });
    say_signal("undefined", [] { asm volatile("ud2"); });
    say_signal("breakpoint", [] { asm volatile("int3"); });
    say_signal("int 0x20", [] { asm volatile("int $0x20"); });
    say_signal("int 31, the graft's own", [] { asm volatile("int $31"); });
    say_signal("int 2", [] { asm volatile("int $2"); });
    say_signal("hlt", [] { asm volatile("hlt"); });
    say_signal("port", [] { asm volatile("inb $0x80, %%al" ::: "eax"); });
    say_signal("cr4", [] { asm volatile("mov %%cr4, %%rax" ::: "rax"); });
    say_signal("rdmsr", [] { asm volatile("rdmsr" ::"c"(0xc0000080) : "eax", "edx"); });
    say_signal("vsyscall", [] { asm volatile("call *%0" ::"r"(0xffffffffff600000ul), "D"(0), "S"(0) : "memory", "rax", "rcx", "r11"); });
    say_signal("window of the host", [] { (void)*reinterpret_cast<volatile char*>(0xffffffffffa00000ul); });
    say_signal("non-canonical", [] { (void)*reinterpret_cast<volatile char*>(0x8000000000000000ul); });
    say_signal("trap flag", [] { asm volatile("pushfq; orq $0x100, (%%rsp); popfq; nop" ::: "memory"); });
    say_signal("alignment", [] {
        asm volatile("pushfq; orq $0x40000, (%%rsp); popfq; movl 1(%%rsp), %%eax; pushfq; andq $~0x40000, (%%rsp); popfq" ::: "memory", "eax");
    });
    return 0;
}
