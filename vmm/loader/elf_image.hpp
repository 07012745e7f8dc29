// SPDX-License-Identifier: GPL-2.0
// ElfImage: the checked program headers of an x86-64 vmlinux. It answers what lies at a link-time
// virtual address and where that goes in physical memory. Debug and section data are not looked at:
// the image in a vmlinuz is stripped.
#pragma once

#include "vmm/loader/byte_view.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace colinux {

class ElfImage {
public:
    struct Segment {
        std::uint64_t virt;         // link-time virtual address; 0 for the per-CPU segment
        std::uint64_t phys;         // link-time physical address, where it is loaded unless moved as a whole
        std::uint64_t memory_bytes; // what lies behind `contents` is zero
        ByteView contents;
    };

    // `file` must outlive this object. Failure: KernelDamaged when headers contradict each other or the file.
    ElfImage(ByteView file, const std::string& path);
    // An image that lies in memory already, without an entry point; what the segments' contents show must outlive it.
    explicit ElfImage(std::vector<Segment> segments);

    const std::vector<Segment>& segments() const { return segments_; }
    std::uint64_t entry() const { return entry_; }         // link-time physical address of startup_64
    std::uint64_t phys_start() const { return phys_start_; } // [start, end): all segments
    std::uint64_t phys_end() const { return phys_end_; }
    std::uint64_t text_virt() const; // virtual address of _text: the segment at phys_start()

    // Link-time physical address of `bytes` bytes at link-time virtual `virt`; nothing when outside.
    std::optional<std::uint64_t> virt_to_phys(std::uint64_t virt, std::uint64_t bytes) const;
    // Initialised bytes from `virt` to the end of its segment's contents; empty when there are none.
    ByteView from(std::uint64_t virt) const;

private:
    std::vector<Segment> segments_;
    std::uint64_t entry_{}, phys_start_{}, phys_end_{};
};

// "Linux version 6.1.0-56-amd64 (...) ..." up to its newline, as the kernel prints it; empty when absent.
std::string find_banner(const ElfImage& image);
// The word after "Linux version " of such a banner.
std::string release_of_banner(const std::string& banner);

} // namespace colinux
