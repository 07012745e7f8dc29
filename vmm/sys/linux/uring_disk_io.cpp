// SPDX-License-Identifier: GPL-2.0
// DiskIo on io_uring: a batch of requests costs one system call, and what the page cache holds has come
// back when that call returns.
#include "vmm/sys/linux/disk_io.hpp"

#include <liburing.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <vector>

namespace colinux {
namespace {

class UringDiskIo final : public DiskIo {
public:
    UringDiskIo(int fd, const io_uring& ring) : ring_{ring}
    {
        registered_ = io_uring_register_files(&ring_, &fd, 1) == 0;
        fd_ = registered_ ? 0 : fd;
    }
    ~UringDiskIo() override { io_uring_queue_exit(&ring_); }
    UringDiskIo(const UringDiskIo&) = delete;
    UringDiskIo& operator=(const UringDiskIo&) = delete;

    void read(std::uint32_t tag, std::span<const iovec> pieces, std::uint64_t offset) override
    {
        io_uring_sqe* entry = free_entry();
        if (pieces.size() == 1 && pieces[0].iov_len <= kMaxSingle)
            io_uring_prep_read(entry, fd_, pieces[0].iov_base, static_cast<unsigned>(pieces[0].iov_len), offset);
        else
            io_uring_prep_readv(entry, fd_, pieces.data(), count(pieces), offset);
        finish_entry(entry, tag);
    }

    void write(std::uint32_t tag, std::span<const iovec> pieces, std::uint64_t offset, bool durable) override
    {
        io_uring_sqe* entry = free_entry();
        if (pieces.size() == 1 && pieces[0].iov_len <= kMaxSingle)
            io_uring_prep_write(entry, fd_, pieces[0].iov_base, static_cast<unsigned>(pieces[0].iov_len), offset);
        else
            io_uring_prep_writev(entry, fd_, pieces.data(), count(pieces), offset);
        entry->rw_flags = durable ? RWF_DSYNC : 0;
        finish_entry(entry, tag);
    }

    void flush(std::uint32_t tag) override
    {
        io_uring_sqe* entry = free_entry();
        io_uring_prep_fsync(entry, fd_, IORING_FSYNC_DATASYNC);
        finish_entry(entry, tag);
    }

    void submit() override
    {
        while (io_uring_sq_ready(&ring_)) {
            if (io_uring_submit(&ring_) < 0)
                return; // EAGAIN, EBUSY, EINTR: the next submit() or wait() tries again
        }
    }

    bool next(Completion& done) override
    {
        io_uring_cqe* entry = nullptr;
        if (io_uring_peek_cqe(&ring_, &entry) != 0)
            return false;
        done = {static_cast<std::uint32_t>(io_uring_cqe_get_data64(entry)), entry->res};
        io_uring_cqe_seen(&ring_, entry);
        return true;
    }

    void wait() override { io_uring_submit_and_wait(&ring_, 1); }
    int ready_fd() const override { return ring_.ring_fd; }

private:
    static constexpr std::size_t kMaxSingle = 1u << 30;

    static unsigned count(std::span<const iovec> pieces)
    {
        return static_cast<unsigned>(std::min<std::size_t>(pieces.size(), IOV_MAX));
    }

    io_uring_sqe* free_entry()
    {
        io_uring_sqe* entry = io_uring_get_sqe(&ring_);
        while (!entry) {
            io_uring_submit(&ring_);
            entry = io_uring_get_sqe(&ring_);
        }
        return entry;
    }

    void finish_entry(io_uring_sqe* entry, std::uint32_t tag)
    {
        if (registered_)
            io_uring_sqe_set_flags(entry, IOSQE_FIXED_FILE);
        io_uring_sqe_set_data64(entry, tag);
    }

    io_uring ring_;
    bool registered_{};
    int fd_{}; // index into the registered files, or the descriptor
};

// A ring can do what a system call filter forbids, open files and connect sockets: this one reads, writes and flushes.
bool restrict_ring(const io_uring& ring)
{
    constexpr std::uint8_t kOperations[] = {IORING_OP_READ, IORING_OP_READV, IORING_OP_WRITE, IORING_OP_WRITEV, IORING_OP_FSYNC};
    std::vector<io_uring_restriction> restrictions;
    for (std::uint8_t operation : kOperations) {
        io_uring_restriction allowed{};
        allowed.opcode = IORING_RESTRICTION_SQE_OP;
        allowed.sqe_op = operation;
        restrictions.push_back(allowed);
    }
    io_uring_restriction flags{};
    flags.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
    flags.sqe_flags = IOSQE_FIXED_FILE;
    restrictions.push_back(flags);
    auto do_register = [&](unsigned what, void* list, std::size_t count) { // Debian 12's liburing does not export these two
        return syscall(SYS_io_uring_register, ring.ring_fd, what, list, static_cast<unsigned>(count)) == 0;
    };
    return do_register(IORING_REGISTER_RESTRICTIONS, restrictions.data(), restrictions.size()) &&
           do_register(IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
}

} // namespace

std::unique_ptr<DiskIo> make_uring_disk_io(int fd, unsigned depth)
{
    io_uring ring{};
    if (io_uring_queue_init(depth, &ring, IORING_SETUP_R_DISABLED) < 0)
        return nullptr;
    auto io = std::make_unique<UringDiskIo>(fd, ring);
    if (!restrict_ring(ring))
        return nullptr;
    return io;
}

} // namespace colinux
