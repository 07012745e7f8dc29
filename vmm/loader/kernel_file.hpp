// SPDX-License-Identifier: GPL-2.0
// KernelFile: what lies in /boot, opened up. Takes a bzImage (vmlinuz) or a plain ELF vmlinux and
// yields the ELF image in it. Says precisely why a file cannot be a guest kernel; the file itself
// is only read.
#pragma once

#include "control/failure.hpp"
#include "control/unique_fd.hpp"
#include "vmm/loader/byte_view.hpp"
#include "vmm/loader/kernel_cache.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace colinux {

struct KernelFile {
    static KernelFile from_elf(std::vector<std::byte> elf);

    ByteView elf;                          // the unpacked vmlinux, possibly followed by relocation data
    std::shared_ptr<const void> elf_owner; // memory, or `cached`
    std::vector<std::byte> setup_header;   // of a bzImage: bytes 0x1f1.. of the zero page; empty for an ELF file
    std::shared_ptr<const CachedImage> cached{};
};

// Failure: KernelMissing (cannot be opened or read), KernelDamaged (truncated, damaged, not a
// kernel, another architecture), KernelUnfit (a kernel that cannot be taken over by its format).
// What had to be decompressed is kept in `cache` and taken from there the next time.
KernelFile read_kernel_file(const std::string& path, const KernelCache& cache);

// The same on bytes in memory; `path` serves messages only.
KernelFile parse_kernel_file(ByteView bytes, const std::string& path, const KernelCache& cache = {});

// The same of a file that was opened before; `path` serves messages only.
std::vector<std::byte> read_whole_file(int fd, const std::string& path, const std::string& what, ExitCode missing);
UniqueFd open_to_read(const std::string& path, const std::string& what, ExitCode missing);

// The whole regular file. Failure with `missing` when it cannot be read; `what` names its kind: "kernel".
std::vector<std::byte> read_whole_file(const std::string& path, const std::string& what, ExitCode missing);

} // namespace colinux
