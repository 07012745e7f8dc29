// SPDX-License-Identifier: GPL-2.0
// KernelImage: an unpacked kernel with everything that the loader asks of it: segments, symbols, types,
// release. A KernelImage exists only for a kernel that can be taken over in principle.
#pragma once

#include "vmm/loader/btf.hpp"
#include "vmm/loader/elf_image.hpp"
#include "vmm/loader/kallsyms.hpp"
#include "vmm/loader/kernel_file.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace colinux {

class KernelImage {
public:
    // Failure: KernelMissing, KernelDamaged, KernelUnfit (no kallsyms, no PARAVIRT_XXL, no BTF).
    static KernelImage open(const std::string& path, const KernelCache& cache);
    static KernelImage from(KernelFile file, const std::string& path);

    KernelImage(KernelImage&&) = default;
    KernelImage& operator=(KernelImage&&) = default;
    KernelImage(const KernelImage&) = delete; // the parts point into file_
    KernelImage& operator=(const KernelImage&) = delete;

    const std::string& path() const { return path_; }
    const std::string& banner() const { return banner_; }
    const std::string& release() const { return release_; }
    const ElfImage& elf() const { return elf_; }
    const Kallsyms& symbols() const { return symbols_; }
    const Btf& types() const { return types_; }
    ByteView setup_header() const { return ByteView{file_.setup_header}; } // empty for a plain ELF file

    // The one symbol of that name, a global before static ones; nothing when absent. Failure KernelUnfit
    // when several static symbols share the name.
    std::optional<std::uint64_t> resolve(std::string_view name) const;

private:
    KernelImage(KernelFile file, const std::string& path);

    KernelFile file_;
    std::string path_;
    ElfImage elf_;
    std::string banner_, release_;
    Kallsyms symbols_;
    Btf types_;
};

} // namespace colinux
