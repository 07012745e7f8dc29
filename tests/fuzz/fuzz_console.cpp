// SPDX-License-Identifier: GPL-2.0
// virtio-console rings of any shape, and the early console's ring with any header.
#include "tests/fuzz/fuzz_guest.hpp"
#include "vmm/devices/console_ring.hpp"
#include "vmm/devices/virtio_console.hpp"
#include "vmm/sys/linux/event_loop.hpp"

#include <vector>

using namespace colinux;

namespace {

std::size_t shown;

void show(std::string_view text) { shown += static_cast<unsigned char>(text.front()) + text.size(); }

void fuzz_ring(std::span<const std::uint8_t> input)
{
    static std::vector<std::byte> storage(ConsoleRing::bytes_needed());
    static GuestMemory memory{{{0, storage.size(), storage.data()}}};
    ConsoleRing ring{memory, 0};
    EventLoop loop{"fuzz"};
    ring.connect(loop, show);
    for (; !input.empty(); input = input.subspan(std::min<std::size_t>(input.size(), sizeof(co_console_ring)))) {
        std::memcpy(storage.data(), input.data(), std::min(input.size(), sizeof(co_console_ring)));
        ring.drain();
        ring.write_input("typed by the user");
        ring.resize(50, 132);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes)
{
    EventLoop loop{"fuzz"}; // never started: what is posted goes with it
    static VirtioConsole device{show};
    device.attach(loop);
    device.write_input("some input");
    fuzz_device(device, {data, bytes});
    fuzz_ring({data, bytes});
    return 0;
}
