// SPDX-License-Identifier: GPL-2.0
// DiskOverlay: what a guest writes to a disk with ",snapshot". It goes to a sparse temporary file that is gone with the guest; a bit
// for each sector says which of the two files has it. As one bit is one sector, the smallest that a guest writes, nothing is ever copied up.
// A DiskIo like another: a read that spans both files comes back short, and whoever asked asks for the rest.
#pragma once

#include "control/disk_file.hpp"
#include "vmm/sys/linux/disk_io.hpp"

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace colinux {

class DiskOverlay final : public DiskIo {
public:
    using Notice = std::function<void(const std::string&)>; // one line for the guest's log

    // `base` outlives this. Failure: NoOverlay.
    DiskOverlay(const DiskFile& base, unsigned depth, DiskEngine engine, Notice notice, DiskFile written);

    void read(std::uint32_t tag, std::span<const iovec> pieces, std::uint64_t offset) override;
    void write(std::uint32_t tag, std::span<const iovec> pieces, std::uint64_t offset, bool durable) override;
    void flush(std::uint32_t tag) override; // nothing in here outlives the host
    void submit() override;
    bool next(Completion& done) override;
    void wait() override;
    int ready_fd() const override { return ready_.get(); }

    // As DiskFile's, of the disk's bytes; the base stays as it is.
    int discard(std::uint64_t offset, std::uint64_t bytes) const;
    int write_zeroes(std::uint64_t offset, std::uint64_t bytes);

private:
    struct Write {
        std::uint64_t offset;
        bool under_way;
    };
    struct Run {
        bool written;
        std::uint64_t bytes;
    };
    Run run_at(std::uint64_t offset, std::uint64_t bytes) const;
    void mark(std::uint64_t offset, std::uint64_t bytes);
    void settle(Completion& done);

    const DiskFile& base_;
    DiskFile written_;
    std::unique_ptr<DiskIo> from_base_, from_written_;
    unsigned base_under_way_{};
    UniqueFd ready_; // an epoll of both; none where both are synchronous
    std::unique_ptr<std::uint64_t[], void (*)(void*)> bits_; // of zeroed pages, taken as they are written to
    std::vector<std::vector<iovec>> cut_; // by tag: pieces of a read up to the end of its run
    std::vector<Write> writes_;           // by tag
    std::deque<Completion> done_;
    Notice notice_;
};

} // namespace colinux
