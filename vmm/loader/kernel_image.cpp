// SPDX-License-Identifier: GPL-2.0
#include "vmm/loader/kernel_image.hpp"

#include "control/failure.hpp"

#include <algorithm>

namespace colinux {
namespace {

[[noreturn]] void unfit(const std::string& path, const std::string& why)
{
    throw Failure{ExitCode::KernelUnfit, "kernel '" + path + "' cannot be taken over: " + why};
}

std::string banner_of(const ElfImage& elf, const std::string& path)
{
    std::string banner = find_banner(elf);
    if (banner.empty())
        throw Failure{ExitCode::KernelDamaged, "kernel '" + path + "': no \"Linux version\" in it, so it is not a Linux kernel or damaged"};
    return banner;
}

Kallsyms symbols_of(const ElfImage& elf, const std::string& path)
{
    std::optional<Kallsyms> symbols = Kallsyms::decode(elf);
    if (!symbols)
        unfit(path, "no symbol table of a known layout; a kernel with CONFIG_KALLSYMS_ALL, from 6.1 to 6.12, is needed");
    if (!symbols->address("x86_init"))
        unfit(path, "its symbol table has only functions; a kernel with CONFIG_KALLSYMS_ALL is needed");
    if (!symbols->address("pv_ops"))
        unfit(path, "it was built without CONFIG_PARAVIRT; a kernel with CONFIG_PARAVIRT_XXL is needed");
    return std::move(*symbols);
}

Btf types_of(const ElfImage& elf, const Kallsyms& symbols, const std::string& path)
{
    auto start = symbols.address("__start_BTF");
    auto stop = symbols.address("__stop_BTF");
    if (!start || !stop || *stop <= *start)
        unfit(path, "it carries no type information; a kernel with CONFIG_DEBUG_INFO_BTF is needed");
    try {
        Btf types{elf.from(*start).sub(0, *stop - *start)};
        if (types.members("pv_cpu_ops", "cpuid").empty())
            unfit(path, "it was built without CONFIG_PARAVIRT_XXL; a distribution's general kernel has it");
        return types;
    } catch (const std::out_of_range& error) {
        unfit(path, std::string{"its type information cannot be read: "} + error.what());
    }
}

} // namespace

KernelImage::KernelImage(KernelFile file, const std::string& path)
    : file_{std::move(file)}, path_{path}, elf_{file_.elf, path}, banner_{banner_of(elf_, path)},
      release_{release_of_banner(banner_)}, symbols_{symbols_of(elf_, path)}, types_{types_of(elf_, symbols_, path)}
{
}

KernelImage KernelImage::open(const std::string& path, const KernelCache& cache)
{
    return from(read_kernel_file(path, cache), path);
}

KernelImage KernelImage::from(KernelFile file, const std::string& path) { return KernelImage{std::move(file), path}; }

std::optional<std::uint64_t> KernelImage::resolve(std::string_view name) const
{
    auto found = symbols_.named(name);
    auto global = std::ranges::find_if(found, [](const Kallsyms::Symbol& symbol) { return symbol.type >= 'A' && symbol.type <= 'Z'; });
    if (global != found.end())
        return global->address;
    if (found.size() > 1)
        unfit(path_, std::string{name} + " is the name of " + std::to_string(found.size()) + " symbols; the graft cannot tell which it needs");
    return found.empty() ? std::nullopt : std::optional{found.front().address};
}

} // namespace colinux
