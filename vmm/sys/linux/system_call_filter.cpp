// SPDX-License-Identifier: GPL-2.0
// The seccomp filter: what is not listed is refused. Refused with ENOSYS, as a kernel does that does not know the call: the C library
// then takes another way, where it has one, and a newer one than we know of harms nobody's guest. By a trap, so that refused
// calls are counted, by name, where their user can see them (`colinux stats`); and never by an end of the process, which would
// be the guest's.
#include "control/failure.hpp"
#include "vmm/sys/linux/privileges.hpp"

#include <colinux/abi.h>

#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <ucontext.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <memory>

namespace colinux {

namespace {

constexpr std::size_t kCalls = 512;
std::array<std::atomic<unsigned>, kCalls> refused;

void count_refused(int, siginfo_t* info, void* context)
{
    auto number = static_cast<std::size_t>(info->si_syscall);
    refused[number < kCalls ? number : kCalls - 1].fetch_add(1, std::memory_order_relaxed);
    static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RAX] = -ENOSYS;
}

// Whatever they are given, these reach no further than memory, time, this process, or an open descriptor.
constexpr int kAllowed[] = {
    // memory and threads
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(futex), SCMP_SYS(set_robust_list), SCMP_SYS(rseq),
    SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(membarrier), SCMP_SYS(restart_syscall),
    // signals, to threads of this process (below)
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),
    // who and when
    SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getrandom), SCMP_SYS(uname), SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(getrlimit),
    // open descriptors
    SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(pread64), SCMP_SYS(pwrite64), SCMP_SYS(preadv), SCMP_SYS(pwritev),
    SCMP_SYS(preadv2), SCMP_SYS(pwritev2), SCMP_SYS(lseek), SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(fallocate), SCMP_SYS(ftruncate),
    SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(close), SCMP_SYS(dup), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(eventfd2),
    SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime), SCMP_SYS(io_uring_enter),
    SCMP_SYS(fcntl),
    // sockets (which, is below)
    SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(connect), SCMP_SYS(shutdown), SCMP_SYS(getsockname),
    SCMP_SYS(getpeername), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(sendto), SCMP_SYS(recvfrom), SCMP_SYS(sendmsg), SCMP_SYS(recvmsg),
    // the socket's, the lock's and an empty report's names, at the end; Landlock knows where
    SCMP_SYS(unlink),
};

constexpr unsigned long kRequests[] = {
    CO_GET_VERSION, CO_GET_INFO,      CO_CREATE_GUEST,  CO_ALLOCATE_MEMORY, CO_GET_MEMORY, CO_SET_PASSAGE, CO_CREATE_VCPU, CO_BIND_DOORBELL,
    CO_BIND_IRQ_LINE, CO_GET_GUEST_STATS, CO_REQUEST_STOP, CO_SET_ENTRY,    CO_RUN,        FIONREAD,       FIONBIO,        SIOCGIFINDEX,
    TUNSETOFFLOAD, CO_GIVE_UP_BLOCK, CO_TAKE_BACK_BLOCK,
};

// A crash dump becomes a file of its name; Landlock knows where.
constexpr int kMakingFiles[] = {SCMP_SYS(openat), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(flock), SCMP_SYS(rename)};

scmp_arg_cmp equal(unsigned argument, scmp_datum_t value) { return {argument, SCMP_CMP_EQ, value, 0}; }
scmp_arg_cmp masked(unsigned argument, scmp_datum_t mask, scmp_datum_t value) { return {argument, SCMP_CMP_MASKED_EQ, mask, value}; }

class Filter {
public:
    Filter() : context_{seccomp_init(SCMP_ACT_TRAP), seccomp_release} { good_ = context_ != nullptr; }

    template <typename... Conditions>
    void allow(int call, Conditions... conditions)
    {
        good_ = good_ && seccomp_rule_add(context_.get(), SCMP_ACT_ALLOW, call, sizeof...(conditions), conditions...) == 0;
    }
    // For the C library to take its other way at once, uncounted.
    void absent(int call) { good_ = good_ && seccomp_rule_add(context_.get(), SCMP_ACT_ERRNO(ENOSYS), call, 0) == 0; }

    bool load()
    {
        return good_ && seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_TSYNC, 1) == 0 && seccomp_load(context_.get()) == 0;
    }

private:
    std::unique_ptr<void, void (*)(scmp_filter_ctx)> context_;
    bool good_;
};

void fill(Filter& filter, bool makes_files)
{
    for (int call : kAllowed)
        filter.allow(call);
    // clone3's flags lie in memory, where no filter sees them
    filter.absent(SCMP_SYS(clone3));
    filter.allow(SCMP_SYS(clone), masked(0, CLONE_THREAD, CLONE_THREAD));
    filter.allow(SCMP_SYS(tgkill), equal(0, static_cast<scmp_datum_t>(getpid())));
    filter.allow(SCMP_SYS(prctl), equal(0, PR_SET_NAME));
    // No new code
    filter.allow(SCMP_SYS(mmap), masked(2, PROT_EXEC, 0));
    filter.allow(SCMP_SYS(mprotect), masked(2, PROT_EXEC, 0));
    filter.allow(SCMP_SYS(prlimit64), equal(2, 0)); // reads
    if (makes_files)
        for (int call : kMakingFiles)
            filter.allow(call);
    else // files only to be read: resolv.conf, /proc/self, /dev/null
        filter.allow(SCMP_SYS(openat), masked(2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY));
    for (int family : {AF_INET, AF_INET6})
        filter.allow(SCMP_SYS(socket), equal(0, static_cast<scmp_datum_t>(family)));
    for (unsigned long request : kRequests)
        filter.allow(SCMP_SYS(ioctl), masked(1, 0xffffffff, request));
}

} // namespace

void filter_system_calls(bool makes_files)
{
    struct sigaction action{};
    action.sa_sigaction = count_refused;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSYS, &action, nullptr);
    sigset_t mine;
    sigemptyset(&mine);
    sigaddset(&mine, SIGSYS);
    pthread_sigmask(SIG_UNBLOCK, &mine, nullptr); // whatever the starter left; blocked, a refused call would end the daemon
    Filter filter;
    fill(filter, makes_files);
    if (!filter.load())
        throw Failure{ExitCode::Privileges, "the daemon cannot give up the system calls that it does not need: this kernel has no seccomp filters "
                                            "(CONFIG_SECCOMP_FILTER); it does not run a guest with them"};
}

nlohmann::json refused_system_calls()
{
    nlohmann::json counts = nlohmann::json::object();
    for (std::size_t number = 0; number < kCalls; number++) {
        if (unsigned count = refused[number].load(std::memory_order_relaxed)) {
            std::unique_ptr<char, void (*)(void*)> name{seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, static_cast<int>(number)), std::free};
            counts[name ? name.get() : std::to_string(number)] = count;
        }
    }
    return counts;
}

} // namespace colinux
