// SPDX-License-Identifier: GPL-2.0
// NetDevice against a backend that the test plays: headers, buffers that do not fit, floods.
#include "tests/fakes/fake_transport_driver.hpp"
#include "vmm/devices/net_device.hpp"
#include "vmm/devices/net_layout.hpp"

#include <gtest/gtest.h>

namespace colinux {
namespace {

constexpr std::uint64_t kFeatures = 1ull << VIRTIO_F_EVENT_IDX | 1ull << VIRTIO_NET_F_MAC;

// Sends every frame of the guest's back to it, turned upper case.
class EchoBackend final : public NetBackend {
public:
    void attach(EventLoop&, std::function<void()>) override {}
    void send(std::span<const std::byte> frame) override
    {
        std::string text{reinterpret_cast<const char*>(frame.data()), frame.size()};
        for (char& letter : text)
            letter = static_cast<char>(toupper(letter));
        received_.push(std::as_bytes(std::span{text}));
    }
};

struct NetDeviceTest : testing::Test {
    FakeGuest guest;
    FakeTransportDriver driver{guest, std::make_unique<NetDevice>("conet0", stable_mac_address("web", 0),
                                                                  std::make_unique<EchoBackend>())};
    VirtqUsedElem used{};

    void send(const std::string& frame)
    {
        std::uint64_t phys = guest.allocate_text(std::string(sizeof(VirtioNetHdr), '\0') + frame);
        driver.queue(1).add({{phys, static_cast<std::uint32_t>(sizeof(VirtioNetHdr) + frame.size()), false}});
    }
    std::uint64_t give_buffer(std::uint32_t bytes)
    {
        std::uint64_t phys = guest.allocate(bytes);
        driver.queue(0).add({{phys, bytes, true}});
        return phys;
    }
};

TEST_F(NetDeviceTest, ConfigHasMacAndMtu)
{
    auto* config = reinterpret_cast<VirtioNetConfig*>(driver.page().config);
    EXPECT_EQ(config->mac[0] & 3, 2) << "locally administered, unicast";
    EXPECT_EQ(config->mtu, 1500);
    EXPECT_EQ(config->status, VIRTIO_NET_S_LINK_UP);
}

TEST_F(NetDeviceTest, FrameGoesOutAndComesBackBehindAHeader)
{
    ASSERT_TRUE(driver.bring_up(kFeatures));
    std::uint64_t buffer = give_buffer(1526);
    send("a frame");
    ASSERT_TRUE(driver.finish_one(0, used));
    EXPECT_EQ(used.len, 19u);
    EXPECT_EQ(guest.at<VirtioNetHdr>(buffer)->num_buffers, 1);
    EXPECT_EQ(guest.at<VirtioNetHdr>(buffer)->flags, 0);
    EXPECT_EQ(guest.text_at(buffer + sizeof(VirtioNetHdr), 7), "A FRAME");
    EXPECT_TRUE(driver.queue(1).take_used(used));
}

TEST_F(NetDeviceTest, ChecksumIsVouchedForWhenNegotiated)
{
    ASSERT_TRUE(driver.bring_up(kFeatures | 1ull << VIRTIO_NET_F_GUEST_CSUM));
    std::uint64_t buffer = give_buffer(1526);
    send("x");
    ASSERT_TRUE(driver.finish_one(0, used));
    EXPECT_EQ(guest.at<VirtioNetHdr>(buffer)->flags, VIRTIO_NET_HDR_F_DATA_VALID);
}

TEST_F(NetDeviceTest, FramesWaitForBuffers)
{
    ASSERT_TRUE(driver.bring_up(kFeatures));
    send("one");
    send("two");
    ASSERT_TRUE(driver.finish_one(1, used));
    std::uint64_t first = give_buffer(1526), second = give_buffer(1526);
    ASSERT_TRUE(driver.finish_one(0, used));
    ASSERT_TRUE(driver.finish_one(0, used));
    EXPECT_EQ(guest.text_at(first + 12, 3), "ONE");
    EXPECT_EQ(guest.text_at(second + 12, 3), "TWO");
}

TEST_F(NetDeviceTest, BufferThatIsTooSmallComesBackEmpty)
{
    ASSERT_TRUE(driver.bring_up(kFeatures));
    give_buffer(14);
    send("frame");
    ASSERT_TRUE(driver.finish_one(0, used));
    EXPECT_EQ(used.len, 0u);
}

TEST_F(NetDeviceTest, OversizedFrameIsDropped)
{
    ASSERT_TRUE(driver.bring_up(kFeatures));
    std::uint64_t buffer = give_buffer(4096);
    send(std::string(3000, 'x'));
    send("ok");
    ASSERT_TRUE(driver.finish_one(0, used));
    EXPECT_EQ(guest.text_at(buffer + 12, 2), "OK");
}

TEST_F(NetDeviceTest, FrameWithoutHeaderNeedsReset)
{
    ASSERT_TRUE(driver.bring_up(kFeatures));
    driver.queue(1).add({{guest.allocate(4), 4, false}});
    driver.ring_doorbell();
    EXPECT_EQ(driver.wait_interrupt(), 2u);
}

TEST_F(NetDeviceTest, ResetForgetsFrames)
{
    ASSERT_TRUE(driver.bring_up(kFeatures));
    send("old");
    ASSERT_TRUE(driver.finish_one(1, used));
    driver.reset();
    ASSERT_TRUE(driver.bring_up(kFeatures));
    std::uint64_t buffer = give_buffer(1526);
    send("new");
    ASSERT_TRUE(driver.finish_one(0, used));
    EXPECT_EQ(guest.text_at(buffer + 12, 3), "NEW");
}

TEST(StableMacAddress, DependsOnGuestAndCardOnly)
{
    EXPECT_EQ(stable_mac_address("web", 0), stable_mac_address("web", 0));
    EXPECT_NE(stable_mac_address("web", 0), stable_mac_address("web", 1));
    EXPECT_NE(stable_mac_address("web", 0), stable_mac_address("db", 0));
}

TEST(FrameQueue, IsBounded)
{
    FrameQueue queue;
    std::vector<std::byte> frame(1500);
    for (int i = 0; i < 10000; i++)
        queue.push(frame);
    std::size_t bytes = 0;
    for (; !queue.empty(); queue.pop())
        bytes += queue.front().size();
    EXPECT_LE(bytes, FrameQueue::kMaxBytes);
    EXPECT_GT(bytes, FrameQueue::kMaxBytes - 1500);
}

} // namespace
} // namespace colinux
