// SPDX-License-Identifier: GPL-2.0
// BootFiles: kernel and initramfs of a disk image: the newest that the image has and that there is a graft for. Copies of both lie beside
// an image that `image create` made, in IMAGE.boot/{vmlinuz,initrd.img,release}: a cache, renewed when the guest has got another
// kernel or made its initramfs anew. Of other images the copies are temporary. What is not an ext file system cannot be
// looked into: there IMAGE.boot is what its owner put there.
#pragma once

#include "control/config.hpp"

#include <functional>
#include <string>

namespace colinux {

class StopSignals;

// Whether a kernel of that release can be a guest here.
using HasGraft = std::function<bool(const std::string& release)>;
bool has_graft(const std::string& release);

// A partitioned disk is no root file system. Failure: DiskPartition, with what to choose from; or the disk's own.
void check_root_disk(const DiskConfig& disk);

class BootFiles {
public:
    // Failure: KernelMissing, NoGraft, NotCopied, DiskPartition, or the disk's own; GuestKilled by a signal of `stop`.
    static BootFiles find(const DiskConfig& disk, StopSignals* stop = nullptr, const HasGraft& can_start = has_graft);

    BootFiles(BootFiles&& other) noexcept;
    BootFiles& operator=(BootFiles&&) = delete;
    ~BootFiles(); // removes what was copied out of the image, but for the cache

    const std::string& kernel() const { return kernel_; }
    const std::string& initrd() const { return initrd_; } // empty: the image has none
    const std::string& note() const { return note_; }     // why it is not the newest kernel; empty: it is

private:
    BootFiles() = default;

    std::string kernel_, initrd_, note_, scratch_;
};

} // namespace colinux
