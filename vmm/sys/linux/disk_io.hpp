// SPDX-License-Identifier: GPL-2.0
// DiskIo: asynchronous scatter-gather input and output on one open file. Operations carry a tag and come
// back by it, in any order. One thread uses it. Memory (and the iovec array) must stay valid until the
// operation came back. make_disk_io() prefers io_uring; where a kernel or a sandbox forbids that, the
// same interface works synchronously.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <span>

namespace colinux {

class DiskIo {
public:
    struct Completion {
        std::uint32_t tag;
        std::int64_t result; // bytes, which may be fewer than asked for, or -errno
    };

    virtual ~DiskIo() = default;
    virtual void read(std::uint32_t tag, std::span<const iovec> pieces, std::uint64_t offset) = 0;
    // `durable`: on the medium before it comes back.
    virtual void write(std::uint32_t tag, std::span<const iovec> pieces, std::uint64_t offset, bool durable) = 0;
    virtual void flush(std::uint32_t tag) = 0; // what was written and came back before is durable after

    virtual void submit() = 0;              // nothing above need start before this
    virtual bool next(Completion& done) = 0; // one that came back; does not wait
    virtual void wait() = 0;                // until next() has one; only while one is under way
    virtual int ready_fd() const = 0;       // readable when next() has one; -1 when it always has after submit()
};

enum class DiskEngine { Best, Synchronous };

std::unique_ptr<DiskIo> make_disk_io(int fd, unsigned depth, DiskEngine engine = DiskEngine::Best);

// The io_uring one; nullptr when this kernel or sandbox has none.
std::unique_ptr<DiskIo> make_uring_disk_io(int fd, unsigned depth);

} // namespace colinux
