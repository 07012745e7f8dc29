// SPDX-License-Identifier: GPL-2.0
#include "vmm/loader/window.hpp"

#include "base/address.hpp"
#include "control/failure.hpp"
#include "vmm/loader/page_tables.hpp"

#include <algorithm>
#include <cstring>

namespace colinux {

Window::Window(GuestMemory& memory, std::uint64_t phys, const LinkedGraft& graft)
    : phys_{phys}, host_{memory.translate(phys, CO_GRAFT_BYTES)}, mapped_bytes_{graft.image.size() + kPageSize}, used_{mapped_bytes_}
{
    if (!host_ || !is_aligned(phys, CO_GRAFT_BYTES))
        throw Failure{ExitCode::Internal, "the graft's window does not lie in guest memory; report this"};
    std::memset(host_, 0, CO_GRAFT_BYTES);
    allocate(0); // the graft and its stack leave room for the page tables, or this fails
    std::ranges::copy(graft.image, host_);
    for (std::uint64_t offset = 0; offset < mapped_bytes_; offset += kPageSize) {
        std::uint64_t rights = offset < graft.text_bytes      ? page_table::kExecutable
                               : offset < graft.read_only_end ? page_table::kReadOnly
                                                              : page_table::kWritable;
        std::uint64_t entry = (phys_ + offset) | rights;
        std::memcpy(at(page_table_phys()) + offset / kPageSize * sizeof(entry), &entry, sizeof(entry));
    }
}

std::uint64_t Window::allocate(std::uint64_t bytes)
{
    std::uint64_t start = used_;
    std::uint64_t limit = CO_GRAFT_BYTES - 2 * kPageSize; // the page tables
    if (start > limit || bytes > limit - start)
        throw Failure{ExitCode::NoGraft, "the graft and its boot data do not fit into " + std::to_string(CO_GRAFT_BYTES)
                                             + " bytes; use fewer devices or memory in larger blocks"};
    used_ = align_up(start + bytes, kPageSize);
    return phys_ + start;
}

} // namespace colinux
