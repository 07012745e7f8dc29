// SPDX-License-Identifier: GPL-2.0
// The root of a guest of `colinux kernel run`: the host's folders, carried by 9p over streams that are open already; the root is an overlay, so
// that what the guest writes is gone with it.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

namespace colinux::kernel_init {

struct Trouble : std::runtime_error {
    using std::runtime_error::runtime_error;
};
[[noreturn]] void fail(const std::string& what); // with errno

struct Folder {
    bool writable{};
    std::string path; // in the new root
    int stream{-1};
};

// The lines of CO_KERNEL_RUN_FOLDERS. Throws Trouble.
std::vector<Folder> read_folders(const char* file);

// Those of CO_KERNEL_RUN_MODULES. One that does not fit the kernel is left out: what lacks it says so.
void load_modules(const char* folder);

// Mounts all of it and makes it this process's root; /dev, /proc and /sys are there. Throws Trouble.
void enter_new_root(const std::vector<Folder>& folders);

} // namespace colinux::kernel_init
