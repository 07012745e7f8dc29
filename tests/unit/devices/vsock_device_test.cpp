// SPDX-License-Identifier: GPL-2.0
// VsockDevice: connections to the guest's ports, credit in both directions, and guests that do not keep to it.
#include "tests/fakes/fake_transport_driver.hpp"
#include "tests/fakes/patience.hpp"
#include "tests/fakes/socket_pair.hpp"
#include "vmm/devices/vsock_device.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/socket.h>

#include <cstring>

namespace colinux {
namespace {

constexpr std::uint64_t kFeatures = 1ull << VIRTIO_F_EVENT_IDX;
constexpr std::uint32_t kPort = 1024, kGuestBuffer = 100;
constexpr std::size_t kReceiveBytes = sizeof(virtio_vsock_hdr) + 64;

struct Packet {
    virtio_vsock_hdr header{};
    std::string payload;
};

struct Client {
    Client()
    {
        int ends[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
            throw std::runtime_error{"socketpair"};
        mine = UniqueFd{ends[0]};
        theirs = UniqueFd{ends[1]};
        fcntl(ends[1], F_SETFL, O_NONBLOCK);
    }
    std::string read_some()
    {
        char bytes[65536];
        ssize_t count = becomes_readable(mine.get()) ? recv(mine.get(), bytes, sizeof bytes, 0) : -1;
        return count < 0 ? "nothing" : std::string(bytes, static_cast<std::size_t>(count));
    }
    void write(std::string_view text) { EXPECT_EQ(::send(mine.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size())); }
    UniqueFd mine, theirs;
};

struct VsockDeviceTest : testing::Test {
    FakeGuest guest;
    VsockDevice* device = new VsockDevice{"web"};
    FakeTransportDriver driver{guest, std::unique_ptr<VirtioDevice>{device}};
    Client client;

    std::uint64_t give_buffer(std::uint32_t bytes = kReceiveBytes)
    {
        std::uint64_t buffer = guest.allocate(bytes);
        std::uint16_t head = driver.queue(0).add({{buffer, bytes, true}});
        given[head] = buffer;
        return buffer;
    }
    void bring_up(unsigned buffers)
    {
        ASSERT_TRUE(driver.bring_up(kFeatures));
        for (unsigned i = 0; i < buffers; i++)
            give_buffer();
        driver.ring_doorbell();
    }
    // The next packet that the guest gets, into a buffer that it gives again; none: in all of kPatience.
    Packet next()
    {
        VirtqUsedElem used;
        driver.queue(0).ask_for_interrupt();
        while (!driver.queue(0).take_used(used))
            if (!driver.wait_interrupt())
                return {};
        Packet packet;
        std::memcpy(&packet.header, guest.at(given[static_cast<std::uint16_t>(used.id)], used.len), sizeof packet.header);
        packet.payload = guest.text_at(given[static_cast<std::uint16_t>(used.id)] + sizeof packet.header, used.len - sizeof packet.header);
        return packet;
    }
    bool has_packet()
    {
        driver.settle();
        VirtqUsedElem used;
        return driver.queue(0).take_used(used);
    }
    static virtio_vsock_hdr header(std::uint16_t operation, std::uint32_t to_port, std::uint32_t bytes = 0)
    {
        virtio_vsock_hdr header{};
        header.src_cid = 3;
        header.dst_cid = 2;
        header.src_port = kPort;
        header.dst_port = to_port;
        header.type = VIRTIO_VSOCK_TYPE_STREAM;
        header.op = operation;
        header.len = bytes;
        header.buf_alloc = kGuestBuffer;
        return header;
    }
    void guest_sends(const virtio_vsock_hdr& header, const std::string& payload = "")
    {
        std::uint64_t buffer = guest.allocate(sizeof header + payload.size());
        std::memcpy(guest.at(buffer, sizeof header), &header, sizeof header);
        if (!payload.empty())
            std::memcpy(guest.at(buffer + sizeof header, payload.size()), payload.data(), payload.size());
        driver.queue(1).add({{buffer, static_cast<std::uint32_t>(sizeof header + payload.size()), false}});
        VirtqUsedElem used;
        driver.ring_doorbell();
        driver.settle();
        while (driver.queue(1).take_used(used)) {
        }
    }
    // A connection that the guest has accepted; returns the host's port.
    std::uint32_t open(const std::string& early = "")
    {
        device->connect(std::move(client.theirs), kPort, early);
        Packet request = next();
        EXPECT_EQ(request.header.op, VIRTIO_VSOCK_OP_REQUEST);
        EXPECT_EQ(request.header.dst_port, kPort);
        guest_sends(header(VIRTIO_VSOCK_OP_RESPONSE, request.header.src_port));
        EXPECT_EQ(client.read_some(), "{\"ok\":true}\n");
        return request.header.src_port;
    }
    std::map<std::uint16_t, std::uint64_t> given;
};

TEST_F(VsockDeviceTest, GuestKnowsItsNumber)
{
    EXPECT_EQ(driver.page().device_id, 19u);
    std::uint64_t cid;
    std::memcpy(&cid, driver.page().config, sizeof cid);
    EXPECT_EQ(cid, 3u);
}

TEST_F(VsockDeviceTest, BytesFlowBothWays)
{
    bring_up(8);
    std::uint32_t port = open();
    client.write("hello");
    Packet packet = next();
    EXPECT_EQ(packet.header.op, VIRTIO_VSOCK_OP_RW);
    EXPECT_EQ(packet.payload, "hello");
    guest_sends(header(VIRTIO_VSOCK_OP_RW, port, 5), "world");
    EXPECT_EQ(client.read_some(), "world");
}

TEST_F(VsockDeviceTest, WhatCameBehindTheRequestIsSentFirst)
{
    bring_up(8);
    open("early");
    client.write("late");
    EXPECT_EQ(next().payload + next().payload, "earlylate");
}

TEST_F(VsockDeviceTest, NobodyIsThereBeforeTheDriver)
{
    device->connect(std::move(client.theirs), kPort, "");
    EXPECT_NE(client.read_some().find("\"code\":90"), std::string::npos);
    EXPECT_EQ(client.read_some(), "");
}

TEST_F(VsockDeviceTest, PortWhereNobodyListens)
{
    bring_up(8);
    device->connect(std::move(client.theirs), kPort, "");
    guest_sends(header(VIRTIO_VSOCK_OP_RST, next().header.src_port));
    EXPECT_NE(client.read_some().find("\"code\":90"), std::string::npos);
    EXPECT_EQ(client.read_some(), "");
}

TEST_F(VsockDeviceTest, GuestGetsNoMoreThanItHasRoomFor)
{
    bring_up(16);
    std::uint32_t port = open();
    client.write(std::string(kGuestBuffer + 50, 'x'));
    std::string got;
    while (got.size() < kGuestBuffer)
        got += next().payload;
    EXPECT_EQ(got.size(), kGuestBuffer);
    EXPECT_FALSE(has_packet());
    virtio_vsock_hdr update = header(VIRTIO_VSOCK_OP_CREDIT_UPDATE, port);
    update.fwd_cnt = 30;
    guest_sends(update);
    EXPECT_EQ(next().payload.size(), 30u);
}

TEST_F(VsockDeviceTest, WithoutABufferTheClientWaits)
{
    bring_up(2); // the request's, and one more
    open();
    client.write("one");
    EXPECT_EQ(next().payload, "one");
    client.write("two");
    EXPECT_FALSE(has_packet());
    give_buffer();
    driver.ring_doorbell();
    EXPECT_EQ(next().payload, "two");
}

TEST_F(VsockDeviceTest, SlowClientCostsNoMoreThanTheBuffer)
{
    bring_up(8);
    std::uint32_t port = open();
    std::string piece(8192, 'y');
    int taken = 0;
    while (taken < 1000 && !has_packet()) { // until the reset
        guest_sends(header(VIRTIO_VSOCK_OP_RW, port, 8192), piece);
        taken++;
    }
    EXPECT_LT(taken, 100); // the socket's buffer, ours, and not one packet more
}

TEST_F(VsockDeviceTest, CreditIsToldOf)
{
    bring_up(8);
    std::uint32_t port = open();
    guest_sends(header(VIRTIO_VSOCK_OP_RW, port, 40000), std::string(40000, 'z'));
    Packet update = next();
    EXPECT_EQ(update.header.op, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
    EXPECT_EQ(update.header.fwd_cnt, 40000u);
    guest_sends(header(VIRTIO_VSOCK_OP_CREDIT_REQUEST, port));
    EXPECT_EQ(next().header.op, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
}

TEST_F(VsockDeviceTest, ClientThatGoesIsAReset)
{
    bring_up(8);
    open();
    client.mine.reset();
    EXPECT_EQ(next().header.op, VIRTIO_VSOCK_OP_RST);
}

TEST_F(VsockDeviceTest, ClientThatSendsNoMoreStillListens)
{
    bring_up(8);
    std::uint32_t port = open();
    shutdown(client.mine.get(), SHUT_WR);
    Packet packet = next();
    EXPECT_EQ(packet.header.op, VIRTIO_VSOCK_OP_SHUTDOWN);
    EXPECT_EQ(packet.header.flags, static_cast<std::uint32_t>(VIRTIO_VSOCK_SHUTDOWN_SEND));
    guest_sends(header(VIRTIO_VSOCK_OP_RW, port, 3), "yes");
    EXPECT_EQ(client.read_some(), "yes");
}

TEST_F(VsockDeviceTest, GuestThatClosesIsReset)
{
    bring_up(8);
    std::uint32_t port = open();
    guest_sends(header(VIRTIO_VSOCK_OP_RW, port, 4), "last");
    virtio_vsock_hdr close = header(VIRTIO_VSOCK_OP_SHUTDOWN, port);
    close.flags = VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND;
    guest_sends(close);
    EXPECT_EQ(next().header.op, VIRTIO_VSOCK_OP_RST);
    EXPECT_EQ(client.read_some(), "last");
    EXPECT_EQ(client.read_some(), "");
}

TEST_F(VsockDeviceTest, NothingListensOnTheHost)
{
    bring_up(8);
    guest_sends(header(VIRTIO_VSOCK_OP_REQUEST, 22));
    Packet reset = next();
    EXPECT_EQ(reset.header.op, VIRTIO_VSOCK_OP_RST);
    EXPECT_EQ(reset.header.src_port, 22u);
    EXPECT_EQ(reset.header.dst_port, kPort);
}

TEST_F(VsockDeviceTest, ResetsThatNobodyTakesAreDropped)
{
    bring_up(0);
    for (unsigned i = 0; i < 2 * VsockDevice::kMaximumResets; i++)
        guest_sends(header(VIRTIO_VSOCK_OP_REQUEST, i));
    for (unsigned i = 0; i < 64; i++)
        give_buffer();
    driver.ring_doorbell();
    driver.settle();
    unsigned resets = 0;
    VirtqUsedElem used;
    while (driver.queue(0).take_used(used))
        resets++;
    EXPECT_EQ(resets, VsockDevice::kMaximumResets);
}

TEST_F(VsockDeviceTest, UnknownOperationEndsTheConnection)
{
    bring_up(8);
    std::uint32_t port = open();
    guest_sends(header(99, port));
    EXPECT_EQ(next().header.op, VIRTIO_VSOCK_OP_RST);
    EXPECT_EQ(client.read_some(), "");
}

TEST_F(VsockDeviceTest, GuestThatDoesNotAnswerIsGivenUp)
{
    FakeGuest other;
    auto* impatient = new VsockDevice{"slow", std::chrono::milliseconds{20}};
    FakeTransportDriver its_driver{other, std::unique_ptr<VirtioDevice>{impatient}};
    ASSERT_TRUE(its_driver.bring_up(kFeatures));
    impatient->connect(std::move(client.theirs), kPort, "");
    EXPECT_NE(client.read_some().find("guest slow has no agent"), std::string::npos);
}

TEST_F(VsockDeviceTest, ConnectionsAreCounted)
{
    bring_up(64);
    std::vector<Client> clients(VsockDevice::kMaximumStreams);
    for (Client& one : clients)
        device->connect(std::move(one.theirs), kPort, "");
    device->connect(std::move(client.theirs), kPort, "");
    EXPECT_NE(client.read_some().find("connections into guest web are open"), std::string::npos);
}

TEST_F(VsockDeviceTest, ResetEndsConnectionsAndTheNextBootHasNewOnes)
{
    bring_up(8);
    open();
    driver.reset();
    EXPECT_EQ(client.read_some(), "");
    given.clear();
    bring_up(8);
    Client second;
    device->connect(std::move(second.theirs), kPort, "");
    EXPECT_EQ(next().header.op, VIRTIO_VSOCK_OP_REQUEST);
}

struct Broken {
    const char* name;
    std::uint32_t says, has; // bytes of payload
};
class VsockBrokenPacketTest : public VsockDeviceTest, public testing::WithParamInterface<Broken> {};
TEST_P(VsockBrokenPacketTest, StopsTheDevice)
{
    bring_up(8);
    guest_sends(header(VIRTIO_VSOCK_OP_RW, 7, GetParam().says), std::string(GetParam().has, 'b'));
    EXPECT_TRUE(driver.page().status & 64); // NEEDS_RESET
    ASSERT_FALSE(driver.log().empty());
}
INSTANTIATE_TEST_SUITE_P(Packets, VsockBrokenPacketTest,
                         testing::Values(Broken{"TooShort", 10, 9}, Broken{"TooLong", 70000, 70000}, Broken{"Lies", 0xffffffff, 0}),
                         [](const auto& tested) { return tested.param.name; });

TEST_F(VsockDeviceTest, BufferWithoutRoomStopsTheDevice)
{
    bring_up(0);
    give_buffer(sizeof(virtio_vsock_hdr));
    driver.ring_doorbell();
    device->connect(std::move(client.theirs), kPort, "");
    EXPECT_NE(client.read_some().find("\"code\":90"), std::string::npos);
    driver.settle();
    EXPECT_TRUE(driver.page().status & 64);
}

} // namespace
} // namespace colinux
