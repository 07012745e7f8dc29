// SPDX-License-Identifier: GPL-2.0
// KernelSource: the kernel that `colinux kernel run` is told of: a build folder, a headers package's folder, or the kernel's file alone.
#pragma once

#include "cli/kernel_config.hpp"

#include <filesystem>
#include <optional>
#include <string>

namespace colinux {

struct KernelSource {
    std::filesystem::path image;   // bzImage or vmlinux
    std::filesystem::path tree;    // that a graft can be built from; empty: none, the graft is in the store
    std::filesystem::path modules; // the folder that has them somewhere below; empty: none known
    std::string release;
    std::string config_file;
    std::optional<KernelConfig> config; // nullopt: not known

    // `what`: folder or file; the others may be empty. Failure: KernelMissing, KernelDamaged, KernelUnfit (image and tree are of different releases).
    static KernelSource find(const std::string& what, const std::string& image, const std::string& tree, const std::string& modules);

    // Failure: KernelUnfit, with what is not switched on.
    void check_config() const;
};

// Of a bzImage or an ELF vmlinux. Failure: KernelMissing, KernelDamaged.
std::string release_of_kernel(const std::filesystem::path& image);

// For a module's name, in whatever folder below `modules` and compressed or not: its content, and before it that of what it depends on,
// each once. What is not there is left out.
struct KernelModule {
    std::string name, content;
};
std::vector<KernelModule> load_modules(const std::filesystem::path& modules, const std::vector<std::string>& wanted);

} // namespace colinux
