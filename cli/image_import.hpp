// SPDX-License-Identifier: GPL-2.0
// `colinux image import`: a root file system from elsewhere becomes an image of the store. Nothing is mounted: libarchive unpacks, mke2fs -d
// makes the file system, qemu-img converts, debugfs changes what is one already.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace colinux {

class StopSignals;

struct ImportOptions {
    std::string source{};           // a folder, an archive, a disk image
    std::string kernel{}, initrd{}; // that lie beside the image where it has none; empty: it has its own, or none
    std::uint64_t bytes{};          // of the file system; 0: what is in it, and room
    unsigned partition{};           // 0: the only one that has a root file system
    bool root_login{};              // take root's password away
};

// Makes `path`, whole or not at all, in a scratch folder beside it; what was changed and what is missing, one line each.
// Failure: ImportUnfit, ImageSize, ToolMissing, NotSaved, DiskPartition, KernelMissing, GuestKilled by a signal of `stop`; the disk's own.
std::vector<std::string> import_image(const ImportOptions& options, const std::string& path, StopSignals& stop);

} // namespace colinux
