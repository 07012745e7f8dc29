// SPDX-License-Identifier: GPL-2.0
// The graft linker: lays the sections of a graft object out in the window at CO_GRAFT_VIRT, resolves its
// symbols against the kernel and relocates it. It works on memory of its own; nothing of the guest is
// touched. What comes out is ready to be copied to the window's frames.
#pragma once

#include "vmm/loader/graft_object.hpp"

#include <colinux/boot_info.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace colinux {

struct LinkedGraft {
    struct Fixup {
        co_graft_fixup entry;
        std::string name; // of the symbol that `address` refers to, for messages
    };

    std::vector<std::byte> image; // the window from CO_GRAFT_VIRT on; whole pages
    std::uint64_t text_bytes;     // [0, text) executable, [text, read_only_end) read-only, then data
    std::uint64_t read_only_end;
    std::vector<Fixup> fixups;
    std::map<std::string, std::uint64_t, std::less<>> addresses; // of the symbols defined in the graft, virtual
    std::string path;

    // Failure NoGraft when the graft does not define it.
    std::uint64_t address(std::string_view name) const;
};

// Virtual address of a kernel symbol, if there is one.
using SymbolResolver = std::function<std::optional<std::uint64_t>(std::string_view)>;

// Failure: NoGraft (does not fit the window, unknown relocation), KernelUnfit (the kernel lacks a
// symbol, which the message names).
LinkedGraft link_graft(const GraftObject& object, const SymbolResolver& kernel);

} // namespace colinux
