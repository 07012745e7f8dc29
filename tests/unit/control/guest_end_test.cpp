// SPDX-License-Identifier: GPL-2.0
// How a guest's last exit becomes an exit code and a line.
#include "control/guest_end.hpp"

#include <colinux/boot_info.h>

#include <gtest/gtest.h>

#include <cstring>

namespace colinux {
namespace {

class GuestEndTest : public testing::Test {
protected:
    GuestEnd end_by(std::uint32_t exit, std::uint64_t arg0 = 0, std::uint64_t arg1 = 0)
    {
        co_run run{};
        run.exit = exit;
        run.arg[0] = arg0;
        run.arg[1] = arg1;
        return describe_end(run, memory_);
    }

    std::byte ram_[4096]{};
    GuestMemory memory_{{{.phys = 0x100000, .bytes = sizeof ram_, .host = ram_}}};
};

TEST_F(GuestEndTest, EachWayHasItsCode)
{
    EXPECT_EQ(end_by(CO_EXIT_POWER_OFF).code, ExitCode::Success);
    EXPECT_EQ(end_by(CO_EXIT_REBOOT).code, ExitCode::GuestReboot);
    EXPECT_EQ(end_by(CO_EXIT_HALT).code, ExitCode::GuestHalt);
    EXPECT_EQ(end_by(CO_EXIT_KILLED, CO_KILL_HANG).code, ExitCode::GuestHang);
    EXPECT_EQ(end_by(CO_EXIT_KILLED, CO_KILL_BAD_STATE, 3).code, ExitCode::GuestFault);
    EXPECT_EQ(end_by(CO_EXIT_KILLED, CO_KILL_BY_USER).code, ExitCode::GuestKilled);
    EXPECT_EQ(end_by(CO_EXIT_PROTOCOL, CO_GRAFT_ERROR_BYTES, 0xffff).code, ExitCode::KernelUnfit);
    EXPECT_EQ(end_by(CO_EXIT_PROTOCOL, CO_GRAFT_ERROR_PASSAGE).code, ExitCode::NoGraft);
    EXPECT_EQ(end_by(77).code, ExitCode::Internal);
}

TEST_F(GuestEndTest, PanicTextIsShown)
{
    strcpy(reinterpret_cast<char*>(ram_), "Fatal exception\n");
    EXPECT_EQ(end_by(CO_EXIT_PANIC, 0x100000, 256).reason, "kernel panic: Fatal exception");
}

TEST_F(GuestEndTest, PanicTextIsMadePrintable)
{
    strcpy(reinterpret_cast<char*>(ram_), "a\x1b[2J\xff z");
    EXPECT_EQ(end_by(CO_EXIT_PANIC, 0x100000, 256).reason, "kernel panic: a [2J  z");
}

TEST_F(GuestEndTest, PanicTextOutsideOfMemoryIsIgnored)
{
    EXPECT_EQ(end_by(CO_EXIT_PANIC, 0x100f00, 4096).reason, "kernel panic");
    EXPECT_EQ(end_by(CO_EXIT_PANIC, ~0ull, ~0ull).reason, "kernel panic");
    EXPECT_EQ(end_by(CO_EXIT_PANIC, 0, 0).reason, "kernel panic");
}

TEST_F(GuestEndTest, PanicTextWithoutNulEndsAtItsCapacity)
{
    memset(ram_, 'x', sizeof ram_);
    EXPECT_EQ(end_by(CO_EXIT_PANIC, 0x100000, 4).reason, "kernel panic: xxxx");
}

} // namespace
} // namespace colinux
