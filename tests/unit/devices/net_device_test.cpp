// SPDX-License-Identifier: GPL-2.0
// NetDevice against a backend that the test plays: headers, buffers that do not fit, floods.
#include "tests/fakes/fake_transport_driver.hpp"
#include "vmm/devices/net_device.hpp"
#include "vmm/devices/net_layout.hpp"
#include "vmm/sys/linux/event_loop.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <deque>

namespace colinux {
namespace {

constexpr std::uint64_t kFeatures = 1ull << VIRTIO_F_EVENT_IDX | 1ull << VIRTIO_NET_F_MAC;

constexpr std::uint64_t kOffered = 1ull << VIRTIO_NET_F_CSUM | 1ull << VIRTIO_NET_F_HOST_TSO4;

// Sends every frame of the guest's back to it, turned upper case, with the header that came with it, and vouches for the checksum.
class EchoBackend final : public NetBackend {
public:
    std::uint16_t mtu() const override { return 1500; }
    std::uint64_t features() const override { return kOffered; }
    void accept(std::uint64_t features) override { accepted = features; }
    void attach(EventLoop&, std::function<void()>) override {}
    void send(const VirtioNetHdr& header, std::span<const std::byte> frame) override
    {
        std::string text{reinterpret_cast<const char*>(frame.data()), frame.size()};
        for (char& letter : text)
            letter = static_cast<char>(toupper(letter));
        VirtioNetHdr back = header;
        back.flags |= VIRTIO_NET_HDR_F_DATA_VALID;
        received_.push(std::as_bytes(std::span{text}), back);
    }
    static inline std::uint64_t accepted{};
};

struct NetDeviceTest : testing::Test {
    FakeGuest guest;
    FakeTransportDriver driver{guest, std::make_unique<NetDevice>("conet0", stable_mac_address("web", 0),
                                                                  std::make_unique<EchoBackend>())};
    VirtqUsedElem used{};

    void send(const std::string& frame, std::uint8_t gso_type = VIRTIO_NET_HDR_GSO_NONE)
    {
        std::uint64_t phys = guest.allocate_text(std::string(sizeof(VirtioNetHdr), '\0') + frame);
        guest.at<VirtioNetHdr>(phys)->gso_type = gso_type;
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
    auto* config = reinterpret_cast<VirtioNetConfig*>(driver.config());
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

TEST_F(NetDeviceTest, BackendKnowsWhatTheDriverTook)
{
    ASSERT_TRUE(driver.bring_up(kFeatures | 1ull << VIRTIO_NET_F_HOST_TSO4));
    EXPECT_EQ(EchoBackend::accepted, 1ull << VIRTIO_NET_F_HOST_TSO4) << "not what is the card's own";
    driver.reset();
    EXPECT_EQ(EchoBackend::accepted, 0u);
}

TEST_F(NetDeviceTest, FrameThatIsToBeCutMayBeLongerThanTheMtu)
{
    ASSERT_TRUE(driver.bring_up(kFeatures | 1ull << VIRTIO_NET_F_HOST_TSO4));
    std::uint64_t buffer = give_buffer(12000);
    send(std::string(9000, 's'), 1);
    ASSERT_TRUE(driver.finish_one(0, used));
    EXPECT_EQ(used.len, sizeof(VirtioNetHdr) + 9000);
    EXPECT_EQ(guest.at<VirtioNetHdr>(buffer)->gso_type, 1);
}

TEST_F(NetDeviceTest, FrameThatNobodyCutsIsDroppedWhenLongerThanTheMtu)
{
    ASSERT_TRUE(driver.bring_up(kFeatures));
    give_buffer(12000);
    send(std::string(9000, 's'), 1);
    ASSERT_TRUE(driver.finish_one(1, used));
    EXPECT_FALSE(driver.queue(0).take_used(used));
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

TEST_F(NetDeviceTest, MergedBuffersShareAFrame)
{
    ASSERT_TRUE(driver.bring_up(kFeatures | 1ull << VIRTIO_NET_F_MRG_RXBUF));
    std::uint64_t first = give_buffer(20), second = give_buffer(4), third = give_buffer(64);
    send("twelve bytes");
    ASSERT_TRUE(driver.finish_one(0, used));
    EXPECT_EQ(used.len, 20u);
    EXPECT_EQ(guest.at<VirtioNetHdr>(first)->num_buffers, 2);
    EXPECT_EQ(guest.text_at(first + sizeof(VirtioNetHdr), 8), "TWELVE B");
    ASSERT_TRUE(driver.queue(0).take_used(used));
    EXPECT_EQ(used.len, 4u);
    EXPECT_EQ(guest.text_at(second, 4), "YTES");

    send("next");
    ASSERT_TRUE(driver.finish_one(0, used));
    EXPECT_EQ(guest.at<VirtioNetHdr>(third)->num_buffers, 1);
    EXPECT_EQ(guest.text_at(third + sizeof(VirtioNetHdr), 4), "NEXT");
}

TEST_F(NetDeviceTest, FrameWaitsUntilMergedBuffersAreEnough)
{
    ASSERT_TRUE(driver.bring_up(kFeatures | 1ull << VIRTIO_NET_F_MRG_RXBUF));
    give_buffer(20);
    send("twelve bytes");
    ASSERT_TRUE(driver.finish_one(1, used));
    EXPECT_FALSE(driver.queue(0).take_used(used)) << "only a part of the frame has a place";
    give_buffer(20);
    ASSERT_TRUE(driver.finish_one(0, used));
    EXPECT_EQ(used.len, 20u);
    ASSERT_TRUE(driver.queue(0).take_used(used));
    EXPECT_EQ(used.len, 4u);
}

TEST_F(NetDeviceTest, ResetForgetsCollectedBuffers)
{
    std::uint64_t features = kFeatures | 1ull << VIRTIO_NET_F_MRG_RXBUF;
    ASSERT_TRUE(driver.bring_up(features));
    give_buffer(20);
    send("twelve bytes");
    ASSERT_TRUE(driver.finish_one(1, used));
    driver.reset();
    ASSERT_TRUE(driver.bring_up(features));
    std::uint64_t buffer = give_buffer(64);
    send("new");
    ASSERT_TRUE(driver.finish_one(0, used));
    EXPECT_EQ(guest.at<VirtioNetHdr>(buffer)->num_buffers, 1);
    EXPECT_EQ(guest.text_at(buffer + sizeof(VirtioNetHdr), 3), "NEW");
}

TEST_F(NetDeviceTest, FrameThatNeedsMoreThanTheWholeRingIsDropped)
{
    ASSERT_TRUE(driver.bring_up(kFeatures | 1ull << VIRTIO_NET_F_MRG_RXBUF, 2));
    give_buffer(14);
    give_buffer(14);
    send("frame of many bytes");
    ASSERT_TRUE(driver.finish_one(0, used));
    EXPECT_EQ(used.len, 0u);
    ASSERT_TRUE(driver.queue(0).take_used(used));
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

// Keeps frames until it is asked for them, as a tap does. `incoming` is the test's until the device runs; after that, its thread's.
class KeepingBackend final : public NetBackend {
public:
    std::uint16_t mtu() const override { return 1500; }
    void attach(EventLoop& loop, std::function<void()> arrived) override
    {
        loop_ = &loop;
        arrived_ = std::move(arrived);
    }
    void send(const VirtioNetHdr&, std::span<const std::byte>) override { FAIL() << "send_from() takes them all"; }
    bool send_from(const VirtioNetHdr& header, std::span<const GuestBuffer> frame) override
    {
        sent = header.gso_size;
        for (GuestBuffer piece : frame)
            text.append(reinterpret_cast<const char*>(piece.data()), piece.size());
        return true;
    }
    bool keeps_frames() const override { return true; }
    std::optional<std::size_t> receive_into(VirtioNetHdr& header, std::span<const iovec> to) override
    {
        if (frames.empty())
            return {};
        std::string frame = std::move(frames.front());
        frames.pop_front();
        header = {};
        header.gso_size = 77;
        std::size_t done = 0;
        for (const iovec& piece : to) {
            std::size_t part = std::min(piece.iov_len, frame.size() - done);
            std::memcpy(piece.iov_base, frame.data() + done, part);
            done += part;
        }
        return done;
    }
    void arrive(const std::vector<std::string>& more)
    {
        loop_->call([&] {
            frames.insert(frames.end(), more.begin(), more.end());
            arrived_();
        });
    }

    std::deque<std::string> frames;
    std::string text;
    std::uint16_t sent{};

private:
    EventLoop* loop_{};
    std::function<void()> arrived_;
};

struct KeptFrames : testing::Test {
    FakeGuest guest{16 << 20};
    KeepingBackend* backend = new KeepingBackend;
    FakeTransportDriver driver{guest, std::make_unique<NetDevice>("conet0", stable_mac_address("web", 0), std::unique_ptr<NetBackend>{backend})};
    VirtqUsedElem used{};

    std::uint64_t give_buffer(std::uint32_t bytes)
    {
        std::uint64_t phys = guest.allocate(bytes);
        driver.queue(0).add({{phys, bytes, true}});
        return phys;
    }
    bool take()
    {
        driver.settle();
        return driver.queue(0).take_used(used);
    }
};

TEST_F(KeptFrames, GoStraightIntoBuffersBehindTheirHeader)
{
    ASSERT_TRUE(driver.bring_up(kFeatures));
    std::uint64_t first = give_buffer(1526), second = give_buffer(1526);
    backend->arrive({"one", "three"});
    ASSERT_TRUE(take());
    EXPECT_EQ(used.len, 15u);
    EXPECT_EQ(guest.at<VirtioNetHdr>(first)->num_buffers, 1);
    EXPECT_EQ(guest.at<VirtioNetHdr>(first)->gso_size, 77);
    EXPECT_EQ(guest.text_at(first + 12, 3), "one");
    ASSERT_TRUE(take());
    EXPECT_EQ(guest.text_at(second + 12, 5), "three");
    EXPECT_FALSE(take());
}

TEST_F(KeptFrames, LargeOneTakesSeveralBuffersAndLeavesTheRest)
{
    ASSERT_TRUE(driver.bring_up(kFeatures | 1ull << VIRTIO_NET_F_MRG_RXBUF));
    std::vector<std::uint64_t> buffers;
    for (int i = 0; i < 60; i++)
        buffers.push_back(give_buffer(2000));
    std::string frame(60000, 'a');
    frame.replace(59990, 10, "0123456789");
    for (int round = 0; round < 2; round++) { // the first one comes as a surprise
        std::size_t begin = round * 30;
        backend->arrive({frame.substr(0, 59988)});
        for (std::size_t i = begin; i < begin + 30; i++) {
            ASSERT_TRUE(take()) << i;
            EXPECT_EQ(used.len, 2000u);
        }
        EXPECT_EQ(guest.at<VirtioNetHdr>(buffers[begin])->num_buffers, 30);
        EXPECT_EQ(guest.text_at(buffers[begin] + 12, 1988), std::string(1988, 'a'));
        EXPECT_EQ(guest.text_at(buffers[begin + 29] + 1900, 100), std::string(100, 'a'));
        EXPECT_FALSE(take());
    }
}

TEST_F(KeptFrames, WaitForBuffersAndKeepTheirOrder)
{
    ASSERT_TRUE(driver.bring_up(kFeatures | 1ull << VIRTIO_NET_F_MRG_RXBUF));
    std::uint64_t first = give_buffer(20);
    backend->arrive({"twelve bytes", "next"});
    EXPECT_FALSE(take()) << "only a part of the frame has a place";
    std::uint64_t second = give_buffer(20), third = give_buffer(64);
    ASSERT_TRUE(driver.finish_one(0, used));
    EXPECT_EQ(guest.at<VirtioNetHdr>(first)->num_buffers, 2);
    EXPECT_EQ(guest.text_at(first + 12, 8), "twelve b");
    ASSERT_TRUE(take());
    EXPECT_EQ(used.len, 4u);
    EXPECT_EQ(guest.text_at(second, 4), "ytes");
    ASSERT_TRUE(take());
    EXPECT_EQ(guest.text_at(third + 12, 4), "next");
}

TEST_F(KeptFrames, OneThatFitsNoBufferIsDropped)
{
    ASSERT_TRUE(driver.bring_up(kFeatures));
    give_buffer(14);
    std::uint64_t second = give_buffer(64);
    backend->arrive({"too long", "fits"});
    ASSERT_TRUE(take());
    EXPECT_EQ(used.len, 0u);
    ASSERT_TRUE(take());
    EXPECT_EQ(guest.text_at(second + 12, 4), "fits");
}

TEST_F(KeptFrames, OfBeforeTheDriverCameAreGone)
{
    backend->arrive({"early"});
    backend->frames.push_back("early, too");
    ASSERT_TRUE(driver.bring_up(kFeatures));
    std::uint64_t buffer = give_buffer(64);
    backend->arrive({"late"});
    ASSERT_TRUE(take());
    EXPECT_EQ(guest.text_at(buffer + 12, 4), "late");
}

TEST_F(KeptFrames, FloodArrivesInPieces)
{
    ASSERT_TRUE(driver.bring_up(kFeatures, 256));
    for (int i = 0; i < 200; i++)
        give_buffer(64);
    backend->arrive(std::vector<std::string>(200, "f"));
    for (int i = 0; i < 200; i++)
        ASSERT_TRUE(take()) << i;
}

TEST_F(KeptFrames, SentOnesAreTakenWhereTheyLie)
{
    ASSERT_TRUE(driver.bring_up(kFeatures));
    std::uint64_t phys = guest.allocate_text(std::string(sizeof(VirtioNetHdr), '\0') + "head");
    std::uint64_t more = guest.allocate_text(" and tail");
    guest.at<VirtioNetHdr>(phys)->gso_size = 5;
    driver.queue(1).add({{phys, sizeof(VirtioNetHdr) + 4, false}, {more, 9, false}});
    ASSERT_TRUE(driver.finish_one(1, used));
    driver.settle();
    EXPECT_EQ(backend->text, "head and tail");
    EXPECT_EQ(backend->sent, 5);
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
