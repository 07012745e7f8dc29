// SPDX-License-Identifier: GPL-2.0
// The guest's configuration as JSON, and what is refused in it.
#include "control/config.hpp"

#include "control/failure.hpp"

#include <gtest/gtest.h>

namespace colinux {
namespace {

MachineConfig good()
{
    MachineConfig config;
    config.name = "web";
    config.kernel = "/boot/vmlinuz";
    config.disks = {{"a.raw", false}, {"b.raw", true, 3, true, true}};
    config.nets = {{{{false, 8080, 80, 0x0a010203}}, true, {0xac100000, 20}, ""}, {.forwards = {}, .tap = "co0"}};
    config.restarts = false;
    config.watchdog = {30, WatchdogConfig::Action::Report};
    config.crash_dump = "/var/crash/web.vmcore";
    config.gdb = {1234, true};
    config.user = "colinux";
    return config;
}

ExitCode code_of(const MachineConfig& config)
{
    try {
        check_config(config);
    } catch (const Failure& failure) {
        return failure.code();
    }
    return ExitCode::Success;
}

ExitCode code_of(const char* json)
{
    try {
        config_from_json(json);
    } catch (const Failure& failure) {
        return failure.code();
    }
    return ExitCode::Success;
}

TEST(Config, SurvivesJson)
{
    MachineConfig config = good();
    config.command_line = "a=\"b\" \xff";
    MachineConfig copy = config_from_json(config_to_json(config));
    EXPECT_EQ(copy.name, "web");
    EXPECT_EQ(copy.kernel, "/boot/vmlinuz");
    EXPECT_EQ(copy.disks.size(), 2u);
    EXPECT_TRUE(copy.disks[1].read_only);
    EXPECT_EQ(copy.disks[1].partition, 3u);
    EXPECT_TRUE(copy.disks[1].raw);
    EXPECT_TRUE(copy.disks[1].snapshot);
    EXPECT_FALSE(copy.disks[0].snapshot);
    EXPECT_EQ(copy.nets[0].forwards[0].guest_port, 80);
    EXPECT_EQ(copy.nets[1].tap, "co0");
    EXPECT_EQ(copy.nets[0].forwards[0].address, 0x0a010203u);
    EXPECT_TRUE(copy.nets[0].host_loopback);
    EXPECT_EQ(copy.nets[0].subnet, (Subnet{0xac100000, 20}));
    EXPECT_FALSE(copy.restarts);
    EXPECT_EQ(copy.memory_bytes, config.memory_bytes);
    EXPECT_EQ(copy.crash_dump, "/var/crash/web.vmcore");
    EXPECT_EQ(copy.gdb.port, 1234u);
    EXPECT_TRUE(copy.gdb.wait);
    EXPECT_EQ(copy.user, "colinux");
    EXPECT_EQ(copy.watchdog.seconds, 30u);
    EXPECT_EQ(copy.watchdog.action, WatchdogConfig::Action::Report);
}

TEST(Config, CrashDumpIsAnAbsolutePathAndAWatchdogThatDumpsHasOne)
{
    MachineConfig config = good();
    config.watchdog.action = WatchdogConfig::Action::Dump;
    EXPECT_EQ(code_of(config), ExitCode::Success);
    config.crash_dump = "web.vmcore";
    EXPECT_EQ(code_of(config), ExitCode::Usage);
    config.crash_dump = "";
    EXPECT_EQ(code_of(config), ExitCode::Usage);
}

TEST(Config, MissingKernelHasItsOwnCode)
{
    MachineConfig config = good();
    config.kernel.clear();
    EXPECT_EQ(code_of(config), ExitCode::KernelMissing);
}

TEST(Config, MemoryTooSmallOrUnaligned)
{
    MachineConfig config = good();
    config.memory_bytes = 1 << 20;
    EXPECT_EQ(code_of(config), ExitCode::MemorySize);
    config.memory_bytes = (64 << 20) + 4096;
    EXPECT_EQ(code_of(config), ExitCode::MemorySize);
}

TEST(Config, MemoryIsRoundedUp)
{
    EXPECT_EQ(round_up_memory(1), 2u << 20);
    EXPECT_EQ(round_up_memory(64 << 20), 64u << 20);
    EXPECT_EQ(round_up_memory((64 << 20) + 1), 66u << 20);
    EXPECT_EQ(round_up_memory(~std::uint64_t{0}), ~std::uint64_t{0}); // refused then
}

TEST(Config, CpuCount)
{
    MachineConfig config = good();
    config.vcpus = 0;
    EXPECT_EQ(code_of(config), ExitCode::CpuCount);
    config.vcpus = 65;
    EXPECT_EQ(code_of(config), ExitCode::CpuCount);
    config.vcpus = 64;
    EXPECT_EQ(code_of(config), ExitCode::Success);
}

TEST(Config, SameHostPortTwice)
{
    MachineConfig config = good();
    config.nets.resize(1);
    config.nets.push_back(config.nets[0]);
    EXPECT_EQ(code_of(config), ExitCode::PortTaken);
    config.nets[1].forwards[0].udp = true;
    EXPECT_EQ(code_of(config), ExitCode::Success);
    config.nets[1].forwards[0] = {false, 8080, 80, 0x0a010204}; // on another address
    EXPECT_EQ(code_of(config), ExitCode::Success);
}

TEST(Config, TapHasTheNameOfAnInterfaceAndNoForwards)
{
    for (const char* name : {"0123456789abcdef", "a/b", "tap%d", "two words", ".", ".."}) {
        MachineConfig config = good();
        config.nets[1].tap = name;
        EXPECT_EQ(code_of(config), ExitCode::Usage) << name;
    }
    MachineConfig config = good();
    config.nets[0].tap = "co1";
    EXPECT_EQ(code_of(config), ExitCode::Usage);
}

TEST(Config, TooManyDisks)
{
    MachineConfig config = good();
    config.disks.resize(25, {"x", false});
    EXPECT_EQ(code_of(config), ExitCode::Usage);
}

class BadJson : public testing::TestWithParam<const char*> {};
TEST_P(BadJson, IsAUsageError) { EXPECT_EQ(code_of(GetParam()), ExitCode::Usage); }
INSTANTIATE_TEST_SUITE_P(
    Texts, BadJson,
    testing::Values("", "{", "[]", "null", "7", R"({"kernel":5})", R"({"kernel":"k","vcpus":-1})",
                    R"({"kernel":"k","vcpus":4294967297})", R"({"kernel":"k","unknown":1})",
                    R"({"kernel":"k","disks":[7]})", R"({"kernel":"k","restarts":1})", R"({"kernel":"k","nets":[{"subnet":"10.0.2.0"}]})",
                    R"({"kernel":"k","nets":[{"forwards":[{"host_port":7,"guest_port":1,"address":"x"}]}]})",
                    R"({"kernel":"k","nets":[{"forwards":[{"host_port":70000,"guest_port":1}]}]})"));

} // namespace
} // namespace colinux
