// SPDX-License-Identifier: GPL-2.0
// A BTF section of any bytes, asked the questions that layout checks ask.
#include "vmm/loader/btf.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    try {
        colinux::Btf types{colinux::ByteView{{reinterpret_cast<const std::byte*>(data), size}}};
        types.struct_sizes("pv_cpu_ops");
        types.members("outer", "ops.cpuid");
        types.members("pv_cpu_ops", "cpuid");
        types.constants("", "CPUHP_ONLINE");
    } catch (const std::out_of_range&) {
    }
    return 0;
}
