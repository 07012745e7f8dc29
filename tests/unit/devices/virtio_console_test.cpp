// SPDX-License-Identifier: GPL-2.0
// VirtioConsole through the transport: both directions, resize, input before the guest listens.
#include "tests/fakes/fake_transport_driver.hpp"
#include "vmm/devices/virtio_console.hpp"

#include <linux/virtio_console.h>

#include <gtest/gtest.h>

namespace colinux {
namespace {

constexpr std::uint64_t kFeatures = 1ull << VIRTIO_F_EVENT_IDX | 1ull << VIRTIO_CONSOLE_F_SIZE;

struct VirtioConsoleTest : testing::Test {
    std::string shown; // complete when the request came back
    FakeGuest guest;
    VirtioConsole* console = new VirtioConsole{[this](std::string_view text) { shown += text; }};
    FakeTransportDriver driver{guest, std::unique_ptr<VirtioDevice>{console}};
    VirtqUsedElem used{};

    const virtio_console_config& config() { return *reinterpret_cast<virtio_console_config*>(driver.config()); }
};

TEST_F(VirtioConsoleTest, OutputIsShown)
{
    ASSERT_TRUE(driver.bring_up(kFeatures));
    std::uint64_t text = guest.allocate_text("login: ");
    driver.queue(1).add({{text, 3, false}, {text + 3, 4, false}});
    ASSERT_TRUE(driver.finish_one(1, used));
    EXPECT_EQ(shown, "login: ");
}

TEST_F(VirtioConsoleTest, InputFromBeforeTheGuestListensIsDelivered)
{
    EXPECT_EQ(console->write_input("root\n"), 5u);
    ASSERT_TRUE(driver.bring_up(kFeatures));
    std::uint64_t buffer = guest.allocate(64);
    driver.queue(0).add({{buffer, 64, true}});
    ASSERT_TRUE(driver.finish_one(0, used));
    EXPECT_EQ(used.len, 5u);
    EXPECT_EQ(guest.text_at(buffer, 5), "root\n");
}

TEST_F(VirtioConsoleTest, LongInputFillsBufferAfterBuffer)
{
    ASSERT_TRUE(driver.bring_up(kFeatures));
    std::uint64_t buffer = guest.allocate(16);
    driver.queue(0).add({{buffer, 8, true}});
    driver.queue(0).add({{buffer + 8, 8, true}});
    console->write_input("0123456789");
    ASSERT_TRUE(driver.finish_one(0, used));
    EXPECT_EQ(used.len, 8u);
    ASSERT_TRUE(driver.finish_one(0, used));
    EXPECT_EQ(used.len, 2u);
    EXPECT_EQ(guest.text_at(buffer, 10), "0123456789");
}

TEST_F(VirtioConsoleTest, InputIsBounded)
{
    EXPECT_EQ(console->write_input(std::string(100000, 'x')), 65536u);
    EXPECT_EQ(console->write_input("y"), 0u);
}

TEST_F(VirtioConsoleTest, ResizeChangesConfigWithAnInterrupt)
{
    ASSERT_TRUE(driver.bring_up(kFeatures));
    EXPECT_EQ(driver.wait_interrupt(), 2u);
    co_u32 generation = driver.page().config_generation;
    console->resize(50, 132);
    EXPECT_EQ(driver.wait_interrupt(), 2u);
    EXPECT_EQ(config().rows, 50);
    EXPECT_EQ(config().cols, 132);
    EXPECT_EQ(driver.page().config_generation, generation + 1);
}

} // namespace
} // namespace colinux
