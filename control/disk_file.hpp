// SPDX-License-Identifier: GPL-2.0
// DiskFile: the raw image file or block device behind a cobd disk, or a partition in it, opened, checked and locked. Every
// reason why a disk cannot be used is found here, before the guest starts, and named in one line.
#pragma once

#include "control/config.hpp"
#include "control/host_use.hpp"
#include "control/unique_fd.hpp"

#include <chrono>
#include <cstdint>
#include <string>

namespace colinux {

class DiskFile {
public:
    // Throws Failure: DiskMissing, DiskUnfit, DiskReadOnly, DiskBusy. A writable disk is locked against
    // every other user of this program, a read-only one against writers only; the lock goes with the
    // descriptor. A block device that the host has mounted is busy, and so is a file that a loop device of the host has. One that
    // is busy for another reason is waited for, `patience` long: a daemon that was killed lets go a moment after it is gone.
    static DiskFile open(const DiskConfig& wanted, std::chrono::milliseconds patience = kReleasePatience,
                         const HostTables& host = {});
    // A sparse file without a name, in $TMPDIR, /var/tmp or (memory, on many hosts) /tmp. Failure: NoOverlay.
    static DiskFile temporary(std::uint64_t bytes);
    static constexpr std::chrono::milliseconds kReleasePatience = std::chrono::seconds{3};

    int fd() const { return fd_.get(); }
    std::uint64_t start() const { return start_; } // where byte 0 of the disk lies in the file
    std::uint64_t bytes() const { return bytes_; }
    std::uint32_t block_size() const { return block_size_; } // logical, 512 for files
    bool read_only() const { return read_only_; }
    bool snapshot() const { return snapshot_; } // read only here; the guest's writes go elsewhere

    // Of this disk's bytes. Both synchronous; 0 or an errno. discard() is a hint: a medium that cannot do it keeps its data.
    int discard(std::uint64_t offset, std::uint64_t bytes) const;
    int write_zeroes(std::uint64_t offset, std::uint64_t bytes, bool may_unmap) const;

private:
    DiskFile(UniqueFd fd, bool read_only) : fd_{std::move(fd)}, read_only_{read_only} {}
    void measure(const std::string& path);
    void choose(const DiskConfig& wanted);
    void lock(const std::string& path, std::chrono::milliseconds patience) const;

    UniqueFd fd_;
    bool read_only_, snapshot_{};
    std::uint64_t start_{}, bytes_{};
    std::uint32_t block_size_{512};
};

} // namespace colinux
