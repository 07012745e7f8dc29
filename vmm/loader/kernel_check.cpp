// SPDX-License-Identifier: GPL-2.0
#include "vmm/loader/kernel_check.hpp"

#include "control/failure.hpp"
#include "control/graft_store.hpp"
#include "vmm/loader/boot.hpp"

namespace colinux {
namespace {

constexpr std::uint64_t kScratchStart = 1ull << 30; // any address that guest RAM could have

} // namespace

GraftObject find_graft(const std::string& release)
{
    for (const GraftEntry& graft : list_grafts()) {
        if (graft.release != release)
            continue;
        // Without symbolic links: one in somebody's folder could lead elsewhere by the time it is read
        std::error_code error;
        std::filesystem::path file = std::filesystem::canonical(graft.path, error);
        if (error)
            throw Failure{ExitCode::NoGraft, "graft " + graft.path.string() + ": " + error.message()};
        if (std::string place = who_else_could_write(file); !place.empty())
            throw Failure{ExitCode::NoGraft, "graft " + graft.path.string() + " is code for ring 0, and others than root can write to " + place +
                                                 ": chown root " + place + "; chmod go-w " + place};
        return GraftObject::read(file);
    }
    throw Failure{ExitCode::NoGraft, "no graft for kernel " + release + "; install linux-headers-" + release + " and run `colinux graft build`"};
}

KernelCheck check_kernel(const std::string& path)
{
    KernelImage kernel = KernelImage::open(path, KernelCache::of_this_host());
    GraftObject graft = find_graft(kernel.release());
    std::uint64_t bytes = contiguous_bytes_needed(kernel, 0);
    std::vector<std::byte> scratch(bytes);
    GuestMemory memory{{{.phys = kScratchStart, .bytes = bytes, .host = scratch.data()}}};
    LoadedKernel loaded = load_kernel(kernel, graft, {}, {}, memory);
    return {kernel.release(), kernel.banner(), graft.path(), loaded.multi_cpu_ok, bytes};
}

} // namespace colinux
