// SPDX-License-Identifier: GPL-2.0
// KernelCache: unpacked kernels in a folder, so that the next start need not decompress. An entry is found by the XXH3-128
// of the vmlinuz file that it came from, and holds the ELF image as it is, to be mapped. docs/kernel-cache.md.
//
// Only ever a short cut: whatever is wrong with the folder or an entry (not there, full, not root's alone, damaged,
// written at the same time), the caller decompresses as if there were none. Processes share a folder without locks:
// an entry appears whole, under its name, and never changes.
#pragma once

#include "control/unique_fd.hpp"
#include "vmm/loader/byte_view.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace colinux {

// An entry's file, mapped. Its pages are the host's page cache: they cost nobody anything while they are let go.
class CachedImage {
public:
    CachedImage(const void* address, std::uint64_t bytes) : address_{address}, bytes_{bytes} {}
    ~CachedImage();
    CachedImage(const CachedImage&) = delete;
    CachedImage& operator=(const CachedImage&) = delete;

    bool fetch() const; // false: the disk cannot read it, and whoever touches it gets SIGBUS
    void let_go() const;
    ByteView bytes() const { return {{static_cast<const std::byte*>(address_), bytes_}}; }

private:
    const void* address_;
    std::uint64_t bytes_;
};

class KernelCache {
public:
    using Key = std::array<std::uint8_t, 16>;
    struct Entry {
        ByteView elf;
        std::shared_ptr<const CachedImage> owner;
    };
    static constexpr std::uint64_t kMaximumBytes = 512u << 20; // of all entries: seven distribution kernels

    KernelCache() = default; // keeps nothing
    explicit KernelCache(std::string folder, std::uint64_t maximum_bytes = kMaximumBytes);
    static KernelCache of_this_host(); // $COLINUX_CACHE_DIR, else /var/cache/colinux

    static Key key_of(ByteView vmlinuz);

    // The image, byte for byte as it was stored; a damaged entry is removed.
    std::optional<Entry> find(const Key& key) const;
    // As good as it can be done; the entries used least recently make room.
    void store(const Key& key, ByteView elf) const;

private:
    UniqueFd open_folder() const;

    std::string folder_;
    std::uint64_t maximum_bytes_{0};
};

} // namespace colinux
