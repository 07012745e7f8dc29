// SPDX-License-Identifier: GPL-2.0
// kvm_guest ROUNDS: a KVM guest that spins on CPU 1, and is ended in a way that leaves its TSC_AUX, 0, in that CPU, to be given back
// when somebody returns to user space there; then the last VM goes. For the lab's host only.
// kvm_guest: says each CPU's TSC_AUX; exit code 1 when one is not the host's (its number, on one node).
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <linux/kvm.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

namespace {

constexpr std::size_t kStack = 64 << 10;

int must(int result, const char* what)
{
    if (result < 0) {
        std::perror(what);
        std::exit(2);
    }
    return result;
}

void run_on(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    must(sched_setaffinity(0, sizeof set, &set), "sched_setaffinity");
}

int vcpu_runs(void* vcpu)
{
    run_on(1);
    setpriority(PRIO_PROCESS, 0, -20); // or it would hardly ever run
    must(ioctl(*static_cast<int*>(vcpu), KVM_RUN, 0), "KVM_RUN");
    return 0;
}

int make_vcpu(int guest, void* code)
{
    kvm_userspace_memory_region memory{.slot = 0, .flags = 0, .guest_phys_addr = 0, .memory_size = 4096, .userspace_addr = reinterpret_cast<__u64>(code)};
    must(ioctl(guest, KVM_SET_USER_MEMORY_REGION, &memory), "KVM_SET_USER_MEMORY_REGION");
    int vcpu = must(ioctl(guest, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
    kvm_sregs system;
    must(ioctl(vcpu, KVM_GET_SREGS, &system), "KVM_GET_SREGS");
    system.cs.base = system.cs.selector = 0;
    must(ioctl(vcpu, KVM_SET_SREGS, &system), "KVM_SET_SREGS");
    kvm_regs general{};
    general.rflags = 2;
    must(ioctl(vcpu, KVM_SET_REGS, &general), "KVM_SET_REGS");
    return vcpu;
}

// The one who runs it is a process with the same memory and descriptors of its own: killed, it never returns to user space, and
// the guest's last descriptors are closed on another CPU.
void one_round(void* code, char* stack)
{
    int kvm = must(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
    int guest = must(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
    int vcpu = make_vcpu(guest, code);
    pid_t child = must(clone(vcpu_runs, stack + kStack, CLONE_VM | SIGCHLD, &vcpu), "clone");
    usleep(30'000);
    kill(child, SIGKILL);
    must(waitpid(child, nullptr, 0), "waitpid");
    close(vcpu);
    close(guest);
    close(kvm);
}

} // namespace

int main(int argc, char** argv)
{
    if (argc > 1) {
        run_on(0);
        void* code = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        std::memcpy(code, "\xeb\xfe", 2); // jmp .
        static char stack[kStack];
        for (int round = std::atoi(argv[1]); round > 0; round--)
            one_round(code, stack);
        return 0;
    }
    bool good = true;
    for (unsigned cpu = 0; cpu < static_cast<unsigned>(sysconf(_SC_NPROCESSORS_ONLN)); cpu++) {
        run_on(static_cast<int>(cpu));
        unsigned aux;
        __rdtscp(&aux);
        std::printf("CPU %u: TSC_AUX %u\n", cpu, aux);
        good &= aux == cpu;
    }
    return good ? 0 : 1;
}
