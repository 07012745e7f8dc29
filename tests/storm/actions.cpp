// SPDX-License-Identifier: GPL-2.0
#include "actions.hpp"

#include "guard.hpp"

#include <algorithm>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

namespace storm {

namespace {

constexpr std::size_t kPage = 4096;

constexpr unsigned kDeviceCodes[] = {CO_GET_VERSION, CO_GET_INFO, CO_CREATE_GUEST};
constexpr unsigned kGuestCodes[] = {CO_ALLOCATE_MEMORY, CO_GET_MEMORY,    CO_SET_PASSAGE,     CO_CREATE_VCPU,
                                    CO_BIND_DOORBELL,   CO_BIND_IRQ_LINE, CO_GET_GUEST_STATS, CO_REQUEST_STOP,
                                    CO_GIVE_UP_BLOCK,   CO_TAKE_BACK_BLOCK};
constexpr unsigned kVcpuCodes[] = {CO_SET_ENTRY, CO_RUN};

unsigned code_for(Dice& dice, Kind kind)
{
    if (dice.one_in(10)) // right number, wrong size or direction; or any number
        return dice.one_in(2) ? static_cast<unsigned>(dice.next()) : dice.of(kGuestCodes) ^ (1u << (16 + dice.below(16)));
    if (dice.one_in(10) || kind == Kind::Event || kind == Kind::Other || kind == Kind::None)
        return dice.of(kGuestCodes);
    return kind == Kind::Device ? dice.of(kDeviceCodes) : kind == Kind::Guest ? dice.of(kGuestCodes) : dice.of(kVcpuCodes);
}

Kind kind_made_by(unsigned code) { return code == CO_CREATE_GUEST ? Kind::Guest : code == CO_CREATE_VCPU ? Kind::Vcpu : Kind::None; }

} // namespace

void install_guard()
{
    struct sigaction action{};
    action.sa_handler = [](int signal) {
        if (!guard_exit) {
            std::signal(signal, SIG_DFL);
            std::raise(signal);
        }
        siglongjmp(*guard_exit, 1);
    };
    sigaction(SIGBUS, &action, nullptr);
    sigaction(SIGSEGV, &action, nullptr);
}

void random_ioctl(Objects& objects)
{
    Descriptor target = objects.any();
    unsigned code = code_for(objects.dice, target.kind);
    if (code == CO_RUN) // a vCPU that nobody starts would sleep until the next signal
        objects.tally.runs.fetch_add(1, std::memory_order_relaxed);
    long result = objects.made(ioctl(target.fd, code, objects.argument(code)));
    if (result >= 0 && kind_made_by(code) != Kind::None)
        objects.keep(static_cast<int>(result), kind_made_by(code));
}

void open_something(Objects& objects)
{
    switch (objects.dice.below(3)) {
    case 0:
        objects.keep(objects.made(open(CO_DEVICE_PATH, O_CLOEXEC | (objects.dice.one_in(4) ? O_RDONLY : O_RDWR))), Kind::Device);
        break;
    case 1:
        objects.keep(eventfd(objects.dice.below(3), EFD_NONBLOCK | EFD_CLOEXEC), Kind::Event);
        break;
    default: {
        Descriptor old = objects.any();
        objects.keep(objects.made(fcntl(old.fd, F_DUPFD_CLOEXEC, 3)), old.kind);
    }
    }
}

void make_map(Objects& objects)
{
    Dice& dice = objects.dice;
    int fd = dice.one_in(5) ? objects.some(Kind::Vcpu) : objects.some(Kind::Guest);
    std::size_t bytes = dice.one_in(3) ? 4 << 20 : dice.one_in(10) ? dice.number() : (1 + dice.below(1200)) * kPage;
    int protection = dice.one_in(2) ? PROT_READ | PROT_WRITE : dice.below(8);
    int flags = dice.one_in(8) ? MAP_PRIVATE : MAP_SHARED;
    if (dice.one_in(10))
        flags |= dice.of({MAP_POPULATE, MAP_LOCKED, MAP_NORESERVE, MAP_HUGETLB});
    std::uint64_t offset = dice.one_in(2) ? 0 : dice.one_in(4) ? dice.number() & ~(kPage - 1) : dice.below(1200) * kPage;
    void* at = mmap(nullptr, bytes, protection, flags, fd, static_cast<off_t>(offset));
    if (objects.made(at == MAP_FAILED ? -1 : 0) < 0)
        return;
    objects.tally.maps.fetch_add(1, std::memory_order_relaxed);
    objects.keep(Map{static_cast<std::byte*>(at), bytes, (protection & PROT_WRITE) && flags & MAP_SHARED && fd >= 0});
}

void change_map(Objects& objects)
{
    Dice& dice = objects.dice;
    Map* map = objects.some_map();
    if (!map)
        return;
    if (map->bytes < kPage)
        return;
    std::size_t at = dice.below(map->bytes / kPage) * kPage, bytes = (1 + dice.below(600)) * kPage;
    std::size_t inside = std::min(bytes, map->bytes - at); // what lies behind is ours: stacks, heap
    constexpr int kAdvice[] = {MADV_NORMAL,   MADV_RANDOM,   MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED,    MADV_FREE,
                               MADV_REMOVE,   MADV_DONTFORK, MADV_DOFORK,     MADV_MERGEABLE, MADV_HUGEPAGE,   MADV_NOHUGEPAGE,
                               MADV_DONTDUMP, MADV_DODUMP,   MADV_COLD,       MADV_PAGEOUT,  MADV_POPULATE_READ};
    switch (dice.below(8)) {
    case 0:
    case 1:
        objects.made(madvise(map->at + at, inside, dice.of(kAdvice)));
        break;
    case 2:
        objects.made(dice.one_in(2) ? mlock(map->at + at, inside) : munlock(map->at + at, inside));
        break;
    case 3:
        map->writable = false;
        objects.made(mprotect(map->at + at, inside, dice.below(8)));
        break;
    case 4:
        objects.made(msync(map->at + at, inside, dice.of({MS_SYNC, MS_ASYNC, MS_INVALIDATE})));
        break;
    case 5:
        map->writable = false; // a hole, which nothing else of ours must fill
        mmap(map->at + at, inside, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        break;
    default: {
        void* moved = mremap(map->at, map->bytes, dice.one_in(2) ? bytes : map->bytes, dice.one_in(2) ? MREMAP_MAYMOVE : 0);
        if (objects.made(moved == MAP_FAILED ? -1 : 0) == 0)
            *map = {static_cast<std::byte*>(moved), map->bytes < bytes ? map->bytes : bytes, false};
    }
    }
}

void touch_map(Objects& objects)
{
    Map* map = objects.some_map();
    if (!map || map->bytes < kPage)
        return;
    auto* byte = reinterpret_cast<volatile unsigned char*>(map->at + objects.dice.below(map->bytes));
    bool write = map->writable && byte - reinterpret_cast<unsigned char*>(map->at) >= static_cast<long>(kScribbleFrom);
    objects.made(guarded([&] {
        if (write)
            *byte = 1;
        else
            static_cast<void>(*byte);
    }) ? 0 : -1);
}

void direct_io(Objects& objects, int disk)
{
    Dice& dice = objects.dice;
    Map* map = objects.some_map();
    if (!map || map->bytes < kScribbleFrom + 64 * kPage)
        return;
    std::byte* at = map->at + kScribbleFrom + dice.below(32) * kPage;
    std::size_t bytes = (1 + dice.below(16)) * kPage;
    if (disk >= 0 && dice.one_in(2)) {
        off_t offset = static_cast<off_t>(dice.below(64) * kPage);
        objects.made(dice.one_in(2) ? pwrite(disk, at, bytes, offset) : pread(disk, at, bytes, offset));
        return;
    }
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return;
    iovec pages{at, bytes};
    objects.made(vmsplice(ends[1], &pages, 1, SPLICE_F_NONBLOCK));
    objects.keep(ends[0], Kind::Other); // the pages stay in the pipe, for longer than the guest may live
    close(ends[1]);
}

void pass_descriptor(Objects& objects, int socket)
{
    struct {
        Kind kind;
    } word{};
    iovec part{&word, sizeof word};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    if (objects.dice.one_in(2)) {
        Descriptor given = objects.any();
        if (given.fd < 0)
            return;
        word.kind = given.kind;
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        *header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
        *reinterpret_cast<int*>(CMSG_DATA(header)) = given.fd;
        objects.made(sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL));
        return;
    }
    if (objects.made(recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC)) <= 0)
        return;
    if (cmsghdr* header = CMSG_FIRSTHDR(&message)) {
        objects.tally.passed.fetch_add(1, std::memory_order_relaxed);
        objects.keep(*reinterpret_cast<int*>(CMSG_DATA(header)), word.kind);
    }
}

void fork_with_maps(Objects& objects)
{
    pid_t child = fork();
    if (child == 0) {
        for (unsigned i = 0; i < 4; ++i)
            touch_map(objects);
        _exit(0);
    }
    if (child > 0) {
        objects.tally.forks.fetch_add(1, std::memory_order_relaxed);
        while (waitpid(child, nullptr, 0) < 0)
            ; // a signal of the clock
    }
}

void plain_file_calls(Objects& objects)
{
    Descriptor target = objects.any();
    char bytes[16] = {1};
    switch (objects.dice.below(5)) {
    case 0:
        objects.made(target.kind == Kind::Other ? 0 : read(target.fd, bytes, objects.dice.one_in(2) ? 8 : sizeof bytes));
        break;
    case 1:
        objects.made(write(target.fd, bytes, 8));
        break;
    case 2: {
        pollfd wanted{target.fd, static_cast<short>(objects.dice.next()), 0};
        objects.made(poll(&wanted, 1, 0));
        break;
    }
    case 3:
        objects.made(lseek(target.fd, static_cast<off_t>(objects.dice.number()), static_cast<int>(objects.dice.below(4))));
        break;
    default:
        objects.made(ftruncate(target.fd, static_cast<off_t>(objects.dice.number())));
    }
}

} // namespace storm
