// SPDX-License-Identifier: GPL-2.0
// virtio-blk requests of any shape on a small disk; synchronous, so that an input always does the same.
#include "tests/fakes/temporary_file.hpp"
#include "tests/fuzz/fuzz_guest.hpp"
#include "vmm/devices/block_device.hpp"

using namespace colinux;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes)
{
    static TemporaryFile file{64 << 10};
    static BlockDevice device{"cobd0", DiskFile::open({file.path()}), "", DiskEngine::Synchronous};
    fuzz_device(device, {data, bytes});
    return 0;
}
