// SPDX-License-Identifier: GPL-2.0
// virtio-vsock rings of any shape, and any packets for one connection.
#include "tests/fuzz/fuzz_guest.hpp"
#include "vmm/devices/vsock_device.hpp"
#include "vmm/sys/linux/event_loop.hpp"

#include <sys/socket.h>

using namespace colinux;

namespace {

UniqueFd client_of(UniqueFd& other_end)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
        return {};
    other_end = UniqueFd{ends[1]};
    return UniqueFd{ends[0]};
}

void fuzz_stream(std::span<const std::uint8_t> input)
{
    UniqueFd other_end;
    VsockStream stream{client_of(other_end), 1024, 1024, "early"};
    std::byte bytes[300];
    while (input.size() >= sizeof(virtio_vsock_hdr)) {
        virtio_vsock_hdr header;
        std::memcpy(&header, input.data(), sizeof header);
        input = input.subspan(sizeof header);
        auto payload = std::as_bytes(input.first(std::min<std::size_t>(input.size(), header.len)));
        header.op %= 10;
        if (header.op != VIRTIO_VSOCK_OP_RST)
            stream.receive(header, payload);
        while (stream.next_control()) {
        }
        stream.read_client(bytes);
        stream.look_at_client();
        input = input.subspan(payload.size());
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes)
{
    EventLoop loop{"fuzz"}; // never started
    static VsockDevice device{"fuzz"};
    device.attach(loop);
    fuzz_device(device, {data, bytes});
    fuzz_stream({data, bytes});
    return 0;
}
