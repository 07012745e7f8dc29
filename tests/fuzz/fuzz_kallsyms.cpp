// SPDX-License-Identifier: GPL-2.0
// An ELF image of any bytes: headers, banner and symbol tables.
#include "control/failure.hpp"
#include "vmm/loader/kallsyms.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    try {
        colinux::ElfImage elf{colinux::ByteView{{reinterpret_cast<const std::byte*>(data), size}}, "fuzz"};
        colinux::find_banner(elf);
        if (auto symbols = colinux::Kallsyms::decode(elf))
            symbols->address("pv_ops");
    } catch (const colinux::Failure&) {
    }
    return 0;
}
