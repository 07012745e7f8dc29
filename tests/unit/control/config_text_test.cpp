// SPDX-License-Identifier: GPL-2.0
// The small languages of the command line.
#include "control/config_text.hpp"

#include "control/failure.hpp"

#include <gtest/gtest.h>

namespace colinux {
namespace {

TEST(Size, UnitsAreBinary)
{
    EXPECT_EQ(parse_size("1"), 1u);
    EXPECT_EQ(parse_size("4k"), 4096u);
    EXPECT_EQ(parse_size("512M"), 512ull << 20);
    EXPECT_EQ(parse_size("2G"), 2ull << 30);
    EXPECT_EQ(parse_size("1T"), 1ull << 40);
}

class BadSize : public testing::TestWithParam<const char*> {};
TEST_P(BadSize, IsRefused) { EXPECT_THROW(parse_size(GetParam()), Failure); }
INSTANTIATE_TEST_SUITE_P(Texts, BadSize,
                         testing::Values("", "M", "-1", "+1", "1.5G", "1 G", "1GB", "0x10", "18446744073709551616",
                                         "99999999T"));

TEST(Size, TextIsShortestExactForm)
{
    EXPECT_EQ(size_text(0), "0");
    EXPECT_EQ(size_text(1000), "1000");
    EXPECT_EQ(size_text(512ull << 20), "512M");
    EXPECT_EQ(size_text(3ull << 30), "3G");
    EXPECT_EQ(size_text((3ull << 30) + (1 << 20)), "3073M");
}

TEST(Disk, ReadOnlySuffix)
{
    DiskConfig disk = parse_disk("a,b.raw,ro");
    EXPECT_EQ(disk.path, "a,b.raw");
    EXPECT_TRUE(disk.read_only);
}

TEST(Disk, OptionsStandLast)
{
    DiskConfig disk = parse_disk("a,b.raw,format=raw,partition=12");
    EXPECT_EQ(disk.path, "a,b.raw");
    EXPECT_EQ(disk.partition, 12u);
    EXPECT_TRUE(disk.raw);
    EXPECT_FALSE(disk.read_only);
    EXPECT_EQ(disk_text(disk), "a,b.raw,partition=12,format=raw");
}

TEST(Disk, Snapshot)
{
    DiskConfig disk = parse_disk("a.raw,snapshot,partition=2");
    EXPECT_TRUE(disk.snapshot);
    EXPECT_FALSE(disk.read_only);
    EXPECT_EQ(disk_text(disk), "a.raw,snapshot,partition=2");
}

class BadDisk : public testing::TestWithParam<const char*> {};
TEST_P(BadDisk, IsRefused) { EXPECT_THROW(parse_disk(GetParam()), Failure); }
INSTANTIATE_TEST_SUITE_P(Texts, BadDisk,
                         testing::Values("a,partition=0", "a,partition=", "a,partition=1x", "a,partition=-1", "a,format=qcow2", ",partition=1"));

TEST(Disk, EmptyPathIsRefused)
{
    EXPECT_THROW(parse_disk(""), Failure);
    EXPECT_THROW(parse_disk(",ro"), Failure);
}

TEST(Net, ForwardsAreTaken)
{
    NetConfig net = parse_net("slirp,forward=tcp:8080:80,forward=udp:5353:53");
    ASSERT_EQ(net.forwards.size(), 2u);
    EXPECT_EQ(net.forwards[0].host_port, 8080);
    EXPECT_EQ(net.forwards[0].guest_port, 80);
    EXPECT_FALSE(net.forwards[0].udp);
    EXPECT_TRUE(net.forwards[1].udp);
    EXPECT_EQ(net.forwards[0].address, 0x7f000001u);
    EXPECT_FALSE(net.host_loopback);
    EXPECT_EQ(subnet_text(net.subnet), "10.0.2.0/24");
}

TEST(Net, SubnetLoopbackAndAddressOfAForwardAreTaken)
{
    NetConfig net = parse_net("slirp,net=192.168.64.0/20,host-loopback=on,forward=tcp:0.0.0.0:8080:80");
    EXPECT_EQ(subnet_text(net.subnet), "192.168.64.0/20");
    EXPECT_TRUE(net.host_loopback);
    EXPECT_EQ(net.forwards[0].address, 0u);
    EXPECT_EQ(net.forwards[0].host_port, 8080);
    EXPECT_FALSE(parse_net("slirp,host-loopback=off").host_loopback);
}

TEST(Net, AddressInASubnetIsToldItsNetwork)
{
    try {
        parse_subnet("10.1.2.3/16");
        ADD_FAILURE() << "no network";
    } catch (const Failure& failure) {
        EXPECT_NE(std::string{failure.what()}.find("10.1.0.0/16"), std::string::npos) << failure.what();
    }
}

class BadNet : public testing::TestWithParam<const char*> {};
TEST_P(BadNet, IsRefused) { EXPECT_THROW(parse_net(GetParam()), Failure); }
INSTANTIATE_TEST_SUITE_P(Texts, BadNet,
                         testing::Values("", "tap", "tap=", "slirp,", "slirp,forward=", "slirp,forward=tcp:80",
                                         "slirp,forward=tcp:0:80", "slirp,forward=tcp:65536:80",
                                         "slirp,forward=sctp:1:1", "slirp,forward=tcp:1:2:3", "slirp,mtu=9000", "slirp,forward=tcp:::1:2:3",
                                         "slirp,forward=tcp:localhost:1:2", "slirp,host-loopback=yes", "slirp,host-loopback", "slirp,net=",
                                         "slirp,net=10.0.2.0", "slirp,net=10.0.2.0/28", "slirp,net=10.0.2.0/7", "slirp,net=10.0.2.0/",
                                         "slirp,net=127.0.0.0/8", "slirp,net=0.0.0.0/8", "slirp,net=224.0.0.0/24", "slirp,net=10.0.2.0/24/24"));

class BadName : public testing::TestWithParam<const char*> {};
TEST_P(BadName, IsRefused) { EXPECT_THROW(check_name(GetParam()), Failure); }
INSTANTIATE_TEST_SUITE_P(Names, BadName, testing::Values("", ".", "..", "../x", "a/b", "-x", "a b", "a\n", "\xc3\xa4"));

TEST(WatchdogText, HasSecondsAndAnAction)
{
    EXPECT_EQ(parse_watchdog("30").seconds, 30u);
    EXPECT_EQ(parse_watchdog("30").action, WatchdogConfig::Action::Kill);
    EXPECT_EQ(parse_watchdog("5,report").action, WatchdogConfig::Action::Report);
    EXPECT_EQ(watchdog_text(parse_watchdog("5")), "5,kill");
    EXPECT_EQ(watchdog_text(parse_watchdog("5,dump")), "5,dump");
    for (const char* wrong : {"", "0", "-1", "x", "5,", "5,reset", "5,kill,dump", "86401", "4294967296"})
        EXPECT_THROW(parse_watchdog(wrong), Failure) << wrong;
}

TEST(Gdb, IsAPortAndPerhapsWaitsForIt)
{
    EXPECT_EQ(parse_gdb("1234").port, 1234u);
    EXPECT_FALSE(parse_gdb("1234").wait);
    EXPECT_TRUE(parse_gdb("65535,wait").wait);
    EXPECT_EQ(gdb_text(parse_gdb("1,wait")), "1,wait");
    for (const char* wrong : {"", "0", "65536", "-1", "x", "1234,", "1234,wait,wait", "1234,stop", ":1234", ",wait"})
        EXPECT_THROW(parse_gdb(wrong), Failure) << wrong;
}

TEST(Name, LengthIsLimited)
{
    EXPECT_NO_THROW(check_name(std::string(48, 'a')));
    EXPECT_THROW(check_name(std::string(49, 'a')), Failure);
}

} // namespace
} // namespace colinux
