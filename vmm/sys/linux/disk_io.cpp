// SPDX-License-Identifier: GPL-2.0
// The choice of engine, and the synchronous one.
#include "vmm/sys/linux/disk_io.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <deque>

namespace colinux {
namespace {

class SynchronousDiskIo final : public DiskIo {
public:
    explicit SynchronousDiskIo(int fd) : fd_{fd} {}

    void read(std::uint32_t tag, std::span<const iovec> pieces, std::uint64_t offset) override
    {
        finish(tag, preadv(fd_, pieces.data(), count(pieces), static_cast<off_t>(offset)));
    }
    void write(std::uint32_t tag, std::span<const iovec> pieces, std::uint64_t offset, bool durable) override
    {
        finish(tag, pwritev2(fd_, pieces.data(), count(pieces), static_cast<off_t>(offset), durable ? RWF_DSYNC : 0));
    }
    void flush(std::uint32_t tag) override { finish(tag, fdatasync(fd_)); }

    void submit() override {}
    bool next(Completion& done) override
    {
        if (done_.empty())
            return false;
        done = done_.front();
        done_.pop_front();
        return true;
    }
    void wait() override {}
    int ready_fd() const override { return -1; }

private:
    static int count(std::span<const iovec> pieces) { return static_cast<int>(std::min<std::size_t>(pieces.size(), IOV_MAX)); }
    void finish(std::uint32_t tag, ssize_t result) { done_.push_back({tag, result < 0 ? -errno : result}); }

    int fd_;
    std::deque<Completion> done_;
};

} // namespace

std::unique_ptr<DiskIo> make_disk_io(int fd, unsigned depth, DiskEngine engine)
{
    if (engine == DiskEngine::Best) {
        if (auto uring = make_uring_disk_io(fd, depth))
            return uring;
    }
    return std::make_unique<SynchronousDiskIo>(fd);
}

} // namespace colinux
