// SPDX-License-Identifier: GPL-2.0
// MemoryDevice: wishes reach the guest, blocks reach their owner, and what a guest says of them is not believed.
#include "tests/fakes/fake_transport_driver.hpp"
#include "vmm/devices/memory_device.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <cstring>

namespace colinux {
namespace {

constexpr std::uint64_t kBlock = 2 << 20, kTotal = 8 * kBlock;

struct FakeOwner final : BlockOwner {
    std::atomic<std::uint64_t> present{kTotal};
    std::atomic<int> answer{0};

    int give_up_block(std::uint64_t) override { return moved(-kBlock); }
    int take_back_block(std::uint64_t) override { return moved(kBlock); }
    std::uint64_t present_bytes() const override { return present; }
    int moved(std::uint64_t bytes)
    {
        if (answer == 0)
            present += bytes;
        return answer;
    }
};

class MemoryDeviceTest : public testing::Test {
protected:
    FakeGuest guest;
    FakeOwner owner;
    MemoryDevice* device{};
    FakeTransportDriver driver{guest, make()};

    std::unique_ptr<MemoryDevice> make()
    {
        auto made = std::make_unique<MemoryDevice>();
        device = made.get();
        device->begin(owner);
        return made;
    }
    co_memory_config config()
    {
        co_memory_config config;
        std::memcpy(&config, driver.config(), sizeof config);
        return config;
    }
    std::uint64_t call(std::uint64_t operation, std::uint64_t argument = 0) { return driver.transport().handle_call(0, operation, argument); }
};

TEST_F(MemoryDeviceTest, WishReachesTheGuestAndItsBlocksTheirOwner)
{
    ASSERT_TRUE(driver.bring_up(0));
    EXPECT_EQ(config().wanted_bytes, kTotal);
    driver.wait_interrupt(); // what was wanted meanwhile
    device->want(kTotal - kBlock);
    EXPECT_NE(driver.wait_interrupt(), 0u);
    EXPECT_EQ(config().wanted_bytes, kTotal - kBlock);
    EXPECT_FALSE(device->state().settled);
    EXPECT_EQ(call(CO_DEVICE_GIVE_UP, kBlock), 0u);
    EXPECT_EQ(config().present_bytes, kTotal - kBlock);
    EXPECT_EQ(device->state().present_bytes, kTotal - kBlock);
    EXPECT_EQ(call(CO_DEVICE_SETTLED, config().request), 0u);
    EXPECT_TRUE(device->state().settled);
    EXPECT_EQ(call(CO_DEVICE_TAKE_BACK, kBlock), 0u);
    EXPECT_EQ(config().present_bytes, kTotal);
}

TEST_F(MemoryDeviceTest, WishThatWasSettledBeforeTheNewOneIsNotThatOne)
{
    ASSERT_TRUE(driver.bring_up(0));
    std::uint64_t before = config().request;
    device->want(kBlock);
    EXPECT_EQ(call(CO_DEVICE_SETTLED, before), 0u);
    EXPECT_FALSE(device->state().settled);
}

TEST_F(MemoryDeviceTest, RefusalIsTheGuestsAnswerAndChangesNothing)
{
    ASSERT_TRUE(driver.bring_up(0));
    owner.answer = EEXIST;
    EXPECT_EQ(call(CO_DEVICE_GIVE_UP, kBlock), static_cast<std::uint64_t>(EEXIST));
    EXPECT_EQ(call(CO_DEVICE_TAKE_BACK, kBlock), static_cast<std::uint64_t>(EEXIST));
    EXPECT_EQ(config().present_bytes, kTotal);
    EXPECT_EQ(call(99), static_cast<std::uint64_t>(EINVAL));
}

TEST_F(MemoryDeviceTest, WithoutADriverItIsNotReadyAndTakesNoBlocks)
{
    EXPECT_FALSE(device->state().ready);
    EXPECT_EQ(call(CO_DEVICE_GIVE_UP, kBlock), static_cast<std::uint64_t>(EINVAL));
    EXPECT_EQ(owner.present, kTotal);
    ASSERT_TRUE(driver.bring_up(0));
    EXPECT_TRUE(device->state().ready);
    driver.reset();
    EXPECT_FALSE(device->state().ready);
}

} // namespace
} // namespace colinux
