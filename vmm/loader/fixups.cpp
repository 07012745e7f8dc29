// SPDX-License-Identifier: GPL-2.0
#include "vmm/loader/fixups.hpp"

#include "base/address.hpp"
#include "control/failure.hpp"
#include "vmm/loader/page_tables.hpp"

#include <array>
#include <cstring>
#include <string>

namespace colinux {
namespace {

constexpr std::uint64_t kEndbr64 = 0xfa1e0ff3, kEndbr64Bytes = 4;
constexpr std::uint64_t kCallBytes = 5;

class Applier {
public:
    Applier(const LinkedGraft::Fixup& fixup, const PlacedKernel& kernel) : fixup_{fixup.entry}, name_{fixup.name}, kernel_{kernel} {}

    void run()
    {
        if (fixup_.flags & CO_FIXUP_EXPECT && load<std::uint64_t>(fixup_.address) != fixup_.expect)
            unfit("its value is not what the graft expects");
        switch (fixup_.kind) {
        case CO_FIXUP_WRITE64: store(fixup_.address, fixup_.value); break;
        case CO_FIXUP_GATE: write_gate(place(fixup_.address, 16), fixup_.value); break;
        case CO_FIXUP_JUMP: jump(); break;
        case CO_FIXUP_KEEP_CR4: keep_cr4(); break;
        case CO_FIXUP_PTE: store(fixup_.address, table_of(fixup_.value) | page_table::kTable); break;
        default: unfit("the graft asks for an unknown kind of change, " + std::to_string(fixup_.kind));
        }
    }

private:
    [[noreturn]] void unfit(const std::string& why) const
    {
        throw Failure{ExitCode::KernelUnfit, "kernel '" + kernel_.image.path() + "' cannot be taken over at " + name_ + ": " + why};
    }

    std::uint64_t table_of(std::uint64_t which) const
    {
        if (which != CO_PTE_GRAFT && which != CO_PTE_PASSAGE)
            unfit("the graft asks for an unknown page table, " + std::to_string(which));
        return which == CO_PTE_GRAFT ? kernel_.window.page_table_phys() : kernel_.window.passage_table_phys();
    }

    std::byte* place(std::uint64_t virt, std::uint64_t bytes) const
    {
        std::byte* host = kernel_.at(virt, bytes);
        if (!host)
            unfit("it lies outside the image");
        return host;
    }

    template <typename T>
    T load(std::uint64_t virt) const
    {
        T value;
        std::memcpy(&value, place(virt, sizeof(T)), sizeof(T));
        return value;
    }

    template <typename T>
    void store(std::uint64_t virt, T value) const
    {
        std::memcpy(place(virt, sizeof(T)), &value, sizeof(T));
    }

    // Five bytes at `virt` that belong to ftrace: its call, or the NOP that the build left for it.
    bool is_fentry_site(std::uint64_t virt) const
    {
        constexpr std::array<std::uint8_t, kCallBytes> nop{0x0f, 0x1f, 0x44, 0x00, 0x00};
        auto bytes = load<std::array<std::uint8_t, kCallBytes>>(virt);
        std::optional<std::uint64_t> fentry = kernel_.image.resolve("__fentry__");
        bool call = bytes[0] == 0xe8 && fentry
                    && virt + kCallBytes + static_cast<std::uint64_t>(std::int64_t{load<std::int32_t>(virt + 1)}) == *fentry;
        return call || bytes == nop;
    }

    void jump() const
    {
        std::uint64_t at = fixup_.address;
        if (load<std::uint32_t>(at) == kEndbr64)
            at += kEndbr64Bytes;
        if (is_fentry_site(at))
            at += kCallBytes;
        auto distance = static_cast<std::int64_t>(fixup_.value - (at + kCallBytes));
        if (distance != static_cast<std::int32_t>(distance))
            unfit("the jump's target is too far away");
        store(at, std::uint8_t{0xe9});
        store(at + 1, static_cast<std::int32_t>(distance));
    }

    void keep_cr4() const
    {
        constexpr std::array<std::uint8_t, 3> write{0x0f, 0x22, 0xe1}, nop{0x0f, 0x1f, 0x00}; // mov %rcx,%cr4
        for (std::uint64_t at = fixup_.address; at + write.size() <= fixup_.address + fixup_.value; at++)
            if (load<std::array<std::uint8_t, 3>>(at) == write)
                return store(at, nop);
        unfit("the instruction that writes CR4 was not found");
    }

    const co_graft_fixup& fixup_;
    const std::string& name_;
    const PlacedKernel& kernel_;
};

} // namespace

std::byte* PlacedKernel::at(std::uint64_t virt, std::uint64_t bytes) const
{
    if (range_inside(virt, bytes, CO_GRAFT_VIRT, CO_GRAFT_BYTES))
        return window.at(window.to_phys(virt));
    std::optional<std::uint64_t> linked = image.elf().virt_to_phys(virt, bytes);
    return linked ? memory.translate(phys + (*linked - image.elf().phys_start()), bytes) : nullptr;
}

bool apply_fixups(const LinkedGraft& graft, const PlacedKernel& kernel)
{
    bool multi_cpu_ok = true;
    for (const LinkedGraft::Fixup& fixup : graft.fixups) {
        bool multi_cpu = fixup.entry.flags & CO_FIXUP_MULTI_CPU;
        if (fixup.entry.address == 0 && fixup.entry.flags & (CO_FIXUP_OPTIONAL | CO_FIXUP_MULTI_CPU)) {
            multi_cpu_ok &= !multi_cpu;
            continue;
        }
        try {
            Applier{fixup, kernel}.run();
        } catch (const Failure&) {
            if (!multi_cpu)
                throw;
            multi_cpu_ok = false;
        }
    }
    return multi_cpu_ok;
}

void write_gate(std::byte* place, std::uint64_t handler)
{
    const std::uint64_t low = (handler & 0xffff) | 0x10ull << 16 | 0x8e00ull << 32 | (handler >> 16 & 0xffff) << 48;
    const std::uint64_t high = handler >> 32;
    std::memcpy(place, &low, sizeof(low));
    std::memcpy(place + sizeof(low), &high, sizeof(high));
}

} // namespace colinux
