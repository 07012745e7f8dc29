// SPDX-License-Identifier: GPL-2.0
// Transport: negotiation, activation, interrupts, reset, with a device that echoes.
#include "control/failure.hpp"
#include "tests/fakes/fake_transport_driver.hpp"
#include "tests/fakes/patience.hpp"

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>

namespace colinux {
namespace {

constexpr std::uint64_t kOwnFeature = 1 << 3;
constexpr std::uint64_t kEventIndex = 1ull << VIRTIO_F_EVENT_IDX;

// Queue 0: what the driver wrote comes back. Config: one byte, 7.
class EchoDevice final : public VirtioDevice {
public:
    std::string name() const override { return "echo0"; }
    std::uint32_t type() const override { return VIRTIO_ID_RNG; }
    std::uint64_t features() const override { return kOwnFeature; }
    std::vector<std::uint16_t> queue_sizes() const override { return {64}; }
    std::vector<std::byte> config() const override { return {std::byte{7}}; }
    void activate(std::vector<Virtqueue*> queues, DriverLink& link, std::uint64_t features) override
    {
        queue_ = queues[0];
        link_ = &link;
        negotiated = features;
    }
    bool process(unsigned) override
    {
        DescriptorChain chain;
        bool more = queue_->drain(chain, [&](DescriptorChain& request) {
            std::vector<std::byte> text(request.readable_bytes());
            request.read(text);
            queue_->push_used(request.head, request.write(text));
            handled++;
        });
        notify_driver(*queue_, *link_);
        return more;
    }
    void reset() override { queue_ = nullptr; }

    std::atomic<std::uint64_t> negotiated{};
    std::atomic<unsigned> handled{};

private:
    Virtqueue* queue_{};
    DriverLink* link_{};
};

struct TransportTest : testing::Test {
    FakeGuest guest;
    EchoDevice* device = new EchoDevice;
    FakeTransportDriver driver{guest, std::unique_ptr<VirtioDevice>{device}};

    std::uint64_t echo(std::string_view text)
    {
        std::uint64_t answer = guest.allocate(64);
        driver.queue(0).add({{guest.allocate_text(text), static_cast<std::uint32_t>(text.size()), false},
                             {answer, 64, true}});
        return answer;
    }
};

TEST_F(TransportTest, PageDescribesTheDevice)
{
    EXPECT_EQ(driver.page().device_id, VIRTIO_ID_RNG);
    EXPECT_EQ(driver.page().doorbell, 1u);
    EXPECT_EQ(driver.page().irq_line, 1u);
    EXPECT_EQ(driver.page().queues, 1u);
    EXPECT_EQ(driver.page().queue[0].size_max, 64);
    EXPECT_EQ(driver.page().queue[1].size_max, 0);
    EXPECT_EQ(driver.page().config_bytes, 1u);
    EXPECT_EQ(driver.config()[0], 7);
    EXPECT_TRUE(driver.page().device_features & 1ull << VIRTIO_F_VERSION_1);
}

TEST_F(TransportTest, RequestIsAnsweredWithAnInterrupt)
{
    ASSERT_TRUE(driver.bring_up(kOwnFeature | kEventIndex));
    std::uint64_t answer = echo("hello");
    VirtqUsedElem used;
    ASSERT_TRUE(driver.finish_one(0, used));
    EXPECT_EQ(used.len, 5u);
    EXPECT_EQ(guest.text_at(answer, 5), "hello");
    EXPECT_EQ(device->negotiated, kOwnFeature | kEventIndex | 1ull << VIRTIO_F_VERSION_1);
}

TEST_F(TransportTest, UnknownFeatureIsRefused)
{
    EXPECT_FALSE(driver.bring_up(1 << 5));
    EXPECT_FALSE(driver.page().status & VIRTIO_CONFIG_S_FEATURES_OK);
    EXPECT_TRUE(driver.bring_up(0)) << "it may try again with less";
}

TEST_F(TransportTest, Version1IsRequired)
{
    driver.page().driver_features = kOwnFeature;
    EXPECT_EQ(driver.set_status(VIRTIO_CONFIG_S_FEATURES_OK), EINVAL);
    EXPECT_EQ(driver.page().status, 0u);
}

TEST_F(TransportTest, DriverOkBeforeFeaturesOkNeedsReset)
{
    EXPECT_EQ(driver.set_status(VIRTIO_CONFIG_S_DRIVER_OK), EINVAL);
    EXPECT_TRUE(driver.page().status & VIRTIO_CONFIG_S_NEEDS_RESET);
}

TEST_F(TransportTest, BadQueueAddressNeedsReset)
{
    ASSERT_TRUE(driver.bring_up(0));
    driver.reset();
    driver.page().driver_features = 1ull << VIRTIO_F_VERSION_1;
    driver.page().queue[0] = {.size_max = 64, .size = 64, .ready = 1, .reserved = 0,
                              .descriptors = guest.end(), .driver = 0, .device = 0};
    EXPECT_EQ(driver.set_status(VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK), EINVAL);
    EXPECT_TRUE(driver.page().status & VIRTIO_CONFIG_S_NEEDS_RESET);
    EXPECT_EQ(driver.log().size(), 1u);
}

TEST_F(TransportTest, MalformedRingNeedsResetAndResetCures)
{
    ASSERT_TRUE(driver.bring_up(0));
    driver.queue(0).make_available(63);
    driver.queue(0).table()[63] = {0x1000, 8, 0, 0}; // not guest memory
    driver.ring_doorbell();
    EXPECT_EQ(driver.wait_interrupt(), 2u);
    EXPECT_TRUE(driver.page().status & VIRTIO_CONFIG_S_NEEDS_RESET);
    EXPECT_EQ(driver.set_status(driver.page().status), EIO);
    driver.ring_doorbell(); // nobody listens
    EXPECT_EQ(driver.reset(), 0u);
    EXPECT_EQ(driver.page().status, 0u);

    ASSERT_TRUE(driver.bring_up(0));
    echo("again");
    VirtqUsedElem used;
    EXPECT_TRUE(driver.finish_one(0, used));
    ASSERT_EQ(driver.log().size(), 1u);
    EXPECT_NE(driver.log()[0].find("echo0: "), std::string::npos);
}

TEST_F(TransportTest, ResetWhileBusyStopsTouchingMemory)
{
    for (int round = 0; round < 50; round++) {
        ASSERT_TRUE(driver.bring_up(kEventIndex));
        for (int i = 0; i < 20; i++)
            echo("x");
        driver.ring_doorbell();
        ASSERT_EQ(driver.reset(), 0u);
        unsigned handled = device->handled;
        std::uint16_t index = *driver.queue(0).used_index();
        driver.ring_doorbell();
        driver.settle();
        EXPECT_EQ(driver.page().interrupt_status & ~1u, 0u);
        EXPECT_EQ(device->handled, handled);
        EXPECT_EQ(*driver.queue(0).used_index(), index);
    }
}

TEST_F(TransportTest, RequestsFromBeforeDriverOkAreServed)
{
    ASSERT_TRUE(driver.bring_up(0));
    driver.set_status(0);
    driver.page().driver_features = 1ull << VIRTIO_F_VERSION_1;
    driver.set_status(VIRTIO_CONFIG_S_FEATURES_OK);
    FakeQueue queue{guest, 8};
    queue.add({{guest.allocate(8), 8, true}});
    driver.page().queue[0] = {.size_max = 64, .size = 8, .ready = 1, .reserved = 0,
                              .descriptors = queue.layout().descriptors, .driver = queue.layout().available,
                              .device = queue.layout().used};
    EXPECT_EQ(driver.set_status(driver.page().status | VIRTIO_CONFIG_S_DRIVER_OK), 0u);
    EXPECT_EQ(driver.wait_interrupt(), 1u);
}

// Bug of the fake: such a wake was taken for "nothing came", and the test that waited failed.
TEST_F(TransportTest, WakeWhoseStatusWasTakenBeforeSaysNothing)
{
    ASSERT_TRUE(driver.bring_up(0));
    echo("first");
    driver.ring_doorbell();
    ASSERT_TRUE(becomes_readable(driver.irq_line()));
    EXPECT_EQ(std::atomic_ref{driver.page().interrupt_status}.exchange(0), 1u);
    echo("second");
    std::jthread another{[this] {
        eventually([this] { // the test has taken the wake
            pollfd line{driver.irq_line(), POLLIN, 0};
            return poll(&line, 1, 0) == 0;
        });
        driver.ring_doorbell();
    }};
    EXPECT_EQ(driver.wait_interrupt(), 1u);
}

TEST_F(TransportTest, WriteToConfigIsUndone)
{
    driver.config()[0] = 99;
    EXPECT_EQ(driver.transport().handle_call(0, CO_DEVICE_CONFIG), 0u);
    EXPECT_EQ(driver.config()[0], 7);
}

TEST_F(TransportTest, UnknownDeviceAndOperationAreErrors)
{
    EXPECT_EQ(driver.transport().handle_call(1, CO_DEVICE_RESET), ENODEV);
    EXPECT_EQ(driver.transport().handle_call(~0ull, CO_DEVICE_RESET), ENODEV);
    EXPECT_EQ(driver.transport().handle_call(0, 77), EINVAL);
}

TEST(Transport, TooManyDevicesAreRefused)
{
    FakeGuest guest;
    std::vector<std::unique_ptr<VirtioDevice>> devices;
    for (int i = 0; i <= CO_MAX_DEVICES; i++)
        devices.push_back(std::make_unique<EchoDevice>());
    EXPECT_THROW((Transport{guest.memory(), FakeGuest::kBase, std::move(devices), [](const std::string&) {}}), Failure);
}

// Driver and device each tell the other only when that asked for it, at full speed: a wakeup that is lost once leaves
// both waiting.
TEST_F(TransportTest, NoWakeupIsLostWithTheEventIndex)
{
    constexpr unsigned kRequests = 30'000;
    ASSERT_TRUE(driver.bring_up(kEventIndex));
    std::uint64_t buffer = guest.allocate(8);
    unsigned added = 0, used = 0, doorbells = 0;
    VirtqUsedElem element;
    while (used < kRequests) {
        std::uint16_t before = *driver.queue(0).avail_index();
        for (unsigned burst = 1 + added % 7; burst > 0 && added < kRequests && added - used < 60; burst--, added++)
            driver.queue(0).add({{buffer, 8, true}});
        std::atomic_thread_fence(std::memory_order_seq_cst);
        if (*driver.queue(0).avail_index() != before && driver.queue(0).must_ring(before)) {
            driver.ring_doorbell();
            doorbells++;
        }
        if (added % 3 == 0) { // or go on and look later
            driver.queue(0).ask_for_interrupt();
            while (!driver.queue(0).take_used(element))
                ASSERT_NE(driver.wait_interrupt(), 0u) << "after " << used << " of " << kRequests;
            used++;
        }
        while (driver.queue(0).take_used(element))
            used++;
    }
    EXPECT_EQ(device->handled, kRequests);
    EXPECT_LE(doorbells, kRequests);
}

} // namespace
} // namespace colinux
