// SPDX-License-Identifier: GPL-2.0
// EntropyDevice: buffers come back full of something.
#include "tests/fakes/fake_transport_driver.hpp"
#include "vmm/devices/entropy_device.hpp"

#include <gtest/gtest.h>

namespace colinux {
namespace {

TEST(EntropyDevice, FillsBuffers)
{
    FakeGuest guest;
    FakeTransportDriver driver{guest, std::make_unique<EntropyDevice>()};
    ASSERT_TRUE(driver.bring_up(0));
    std::uint64_t buffer = guest.allocate(128);
    driver.queue(0).add({{buffer, 64, true}, {buffer + 64, 64, true}});
    VirtqUsedElem used;
    ASSERT_TRUE(driver.finish_one(0, used));
    EXPECT_EQ(used.len, 128u);
    EXPECT_NE(guest.text_at(buffer, 64), std::string(64, '\0'));
    EXPECT_NE(guest.text_at(buffer + 64, 64), std::string(64, '\0'));
}

TEST(EntropyDevice, GivesAtMostAPagePerRequest)
{
    FakeGuest guest;
    FakeTransportDriver driver{guest, std::make_unique<EntropyDevice>()};
    ASSERT_TRUE(driver.bring_up(0));
    driver.queue(0).add({{guest.allocate(65536), 65536, true}});
    VirtqUsedElem used;
    ASSERT_TRUE(driver.finish_one(0, used));
    EXPECT_EQ(used.len, 4096u);
}

} // namespace
} // namespace colinux
