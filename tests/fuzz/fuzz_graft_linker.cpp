// SPDX-License-Identifier: GPL-2.0
// A graft object of any bytes, linked against a kernel that has every symbol whose name is not "absent".
#include "control/failure.hpp"
#include "vmm/loader/graft_linker.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const auto* bytes = reinterpret_cast<const std::byte*>(data);
    try {
        auto object = colinux::GraftObject::parse({bytes, bytes + size}, "fuzz");
        colinux::link_graft(object, [](std::string_view name) -> std::optional<std::uint64_t> {
            return name == "absent" ? std::nullopt : std::optional{0xffffffff81000000 + name.size()};
        });
    } catch (const colinux::Failure&) {
    }
    return 0;
}
