// SPDX-License-Identifier: GPL-2.0
// virtio-net rings of any shape. The backend echoes: libslirp has its own fuzzers.
#include "tests/fuzz/fuzz_guest.hpp"
#include "vmm/devices/net_device.hpp"

using namespace colinux;

namespace {

class EchoBackend final : public NetBackend {
public:
    std::uint16_t mtu() const override { return 1500; }
    void attach(EventLoop&, std::function<void()>) override {}
    void send(const VirtioNetHdr&, std::span<const std::byte> frame) override { received_.push(frame); }
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes)
{
    static NetDevice device{"conet0", stable_mac_address("fuzz", 0), std::make_unique<EchoBackend>()};
    fuzz_device(device, {data, bytes});
    return 0;
}
