// SPDX-License-Identifier: GPL-2.0
// What the host itself does with an image file or a block device. Two kernels that write to one file system destroy it, and
// no lock tells: mount(8) takes none on the file behind a loop device.
#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <string>

namespace colinux {

// Where the kernel tells it; tests have folders of their own.
struct HostTables {
    std::filesystem::path sys_block{"/sys/block"};
    std::filesystem::path mounts{"/proc/self/mountinfo"};
};

// Where the block device is mounted; empty: nowhere that this process sees.
std::string mount_point_of(dev_t device, const HostTables& tables = {});

struct LoopUse {
    std::string device;      // "/dev/loop0"; empty: none
    std::string mount_point; // empty: not mounted as a whole
};
// The loop device that has `file` open: of those that may write to it, or of all.
LoopUse loop_device_on(const struct stat& file, bool only_writers, const HostTables& tables = {});

} // namespace colinux
