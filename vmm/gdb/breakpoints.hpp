// SPDX-License-Identifier: GPL-2.0
// Breakpoints: the INT3 instructions that the debugger has put into the guest's code, and what stood there. One byte is written at a
// time, which is atomic for every CPU. The debugger never sees its own INT3s. Where the kernel has written something else over one
// meanwhile (it patches its code), that stays.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>

namespace colinux {

class Breakpoints {
public:
    static constexpr std::byte kInt3{0xcc};

    void insert(std::uint64_t virt, std::byte* place);
    void remove(std::uint64_t virt);
    void remove_all();
    bool has(std::uint64_t virt) const { return entries_.contains(virt); }

    // What was read from [virt, virt + bytes.size()): as if there were no breakpoints.
    void hide(std::uint64_t virt, std::string& bytes) const;
    // The debugger has just written to [virt, virt + bytes): breakpoints there stay.
    void rewritten(std::uint64_t virt, std::size_t bytes);

private:
    struct Entry {
        std::byte* place;
        std::byte before;
    };
    std::map<std::uint64_t, Entry> entries_; // by virtual address
};

} // namespace colinux
