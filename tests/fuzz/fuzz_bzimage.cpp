// SPDX-License-Identifier: GPL-2.0
// A kernel file of any bytes: it is opened or refused with a Failure; nothing else may happen. Inputs that
// promise to unpack to more than 1 MiB are cut down to that, so that the search goes on.
#include "control/failure.hpp"
#include "vmm/loader/kernel_image.hpp"

#include <cstring>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    std::vector<std::byte> bytes(size);
    if (size != 0)
        std::memcpy(bytes.data(), data, size);
    colinux::ByteView view{bytes};
    if (view.holds(0x268, 0)) {
        std::uint64_t trailer = (view.at<std::uint8_t>(0x1f1) + 1ull) * 512 + view.at<std::uint32_t>(0x248) + view.at<std::uint32_t>(0x24c) - 4;
        if (view.holds(trailer, 4) && view.at<std::uint32_t>(trailer) > 1 << 20)
            std::memset(bytes.data() + trailer + 2, 0, 2);
    }
    try {
        colinux::KernelImage::from(colinux::parse_kernel_file(view, "fuzz"), "fuzz");
    } catch (const colinux::Failure&) {
    }
    return 0;
}
