// SPDX-License-Identifier: GPL-2.0
// BootFiles: kernel and initramfs of a disk image. `image create` puts copies beside the image
// (IMAGE.boot/); any other image with an ext file system is looked into with debugfs, without mounting.
#pragma once

#include <string>

namespace colinux {

class StopSignals;

class BootFiles {
public:
    // The newest vmlinuz-* of the image's /boot and its initrd.img-*. Failure: KernelMissing; GuestKilled by a signal of `stop`.
    static BootFiles find(const std::string& disk, StopSignals* stop = nullptr);

    BootFiles(BootFiles&& other) noexcept;
    BootFiles& operator=(BootFiles&&) = delete;
    ~BootFiles(); // removes what was copied out of the image

    const std::string& kernel() const { return kernel_; }
    const std::string& initrd() const { return initrd_; } // empty: the image has none

private:
    BootFiles() = default;

    std::string kernel_, initrd_, scratch_;
};

// Of file names of a /boot folder, the vmlinuz-* with the highest version; empty when there is none.
std::string newest_kernel(const std::string& debugfs_listing);

} // namespace colinux
