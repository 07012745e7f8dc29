// SPDX-License-Identifier: GPL-2.0
// The command line of the original's colinux-daemon. Examples of its documentation are taken as they stand there.
#include "cli/original_devices.hpp"
#include "cli/original_options.hpp"

#include "control/failure.hpp"

#include <gtest/gtest.h>

#include <map>

namespace colinux {
namespace {

using Words = std::vector<std::string>;
using Action = OriginalOptions::Action;

OriginalOptions parse(const Words& words, const std::map<std::string, std::string>& files = {})
{
    return parse_original(words, "/here", [&](const std::string& path) { return files.at(path); });
}

std::string refusal(const Words& words, ExitCode code = ExitCode::Usage)
{
    try {
        parse(words);
    } catch (const Failure& failure) {
        EXPECT_EQ(failure.code(), code) << failure.what();
        return failure.what();
    }
    return "taken";
}

void refuses_here(const std::string& word) { EXPECT_NE(refusal({word}, ExitCode::NotHere), "taken") << word; }

TEST(OriginalOptions, ExampleOfItsHelp)
{
    OriginalOptions options = parse({"kernel=vmlinux", "cobd0=root_fs", "hda1=:cobd0", "root=/dev/cobd0", "eth0=slirp"});
    EXPECT_EQ(options.action, Action::Run);
    EXPECT_EQ(options.config.kernel, "/here/vmlinux");
    ASSERT_EQ(options.config.disks.size(), 1u);
    EXPECT_EQ(options.config.disks[0].path, "/here/root_fs");
    EXPECT_EQ(options.config.command_line, "root=/dev/vda");
    EXPECT_EQ(options.config.nets.size(), 1u);
    EXPECT_TRUE(options.notes.empty());
}

TEST(OriginalOptions, WordsOfAFile)
{
    EXPECT_EQ(original_words("# comment\nkernel=vmlinux   # The default kernel\r\n\tcobd0=\"a b.img\"#c\nro quiet"),
              (Words{"kernel=vmlinux", "cobd0=\"a b.img\"", "ro", "quiet"}));
    EXPECT_EQ(original_words("a=\"b\nc"), (Words{"a=\"b", "c"})); // a quote ends with its line
    EXPECT_EQ(original_words(""), Words{});
}

TEST(OriginalOptions, LaterFilesAndWordsCount)
{
    std::map<std::string, std::string> files{{"example.conf", "kernel=vmlinux initrd=\"initrd 1.gz\" mem=64\ncobd0=/d root=/dev/cobd0"},
                                             {"overrider.conf", "kernel=/boot/other # mine"}};
    OriginalOptions options = parse({"@example.conf", "@overrider.conf", "mem=32", "5"}, files);
    EXPECT_EQ(options.config.kernel, "/boot/other");
    EXPECT_EQ(options.config.initrd, "/here/initrd 1.gz");
    EXPECT_EQ(options.config.memory_bytes, 32ull << 20);
    EXPECT_EQ(options.config.command_line, "root=/dev/vda 5");
    EXPECT_THROW(parse({"@a"}, {{"a", "@b"}}), Failure);
}

TEST(OriginalOptions, WhatIsUnknownIsTheKernels)
{
    Words unknown{"init=/bin/sh", "memmap=1M", "ethernet=1", "cobd=1", "hdparm=x", "quiet", "-x", "exec=1", "rootdelay=2"};
    OriginalOptions options = parse(unknown);
    EXPECT_EQ(options.config.command_line, "init=/bin/sh memmap=1M ethernet=1 cobd=1 hdparm=x quiet -x exec=1 rootdelay=2");
    EXPECT_TRUE(options.config.disks.empty());
}

TEST(OriginalOptions, Switches)
{
    OriginalOptions options = parse({"-d", "-k", "-p", "pid", "-v", "2", "-t", "nt"});
    EXPECT_TRUE(options.no_console);
    EXPECT_TRUE(options.quiet);
    EXPECT_EQ(options.pid_file, "/here/pid");
    EXPECT_EQ(options.verbosity, 2u);
    EXPECT_EQ(options.notes.size(), 1u);
    EXPECT_EQ(parse({"-h"}).action, Action::Help);
    EXPECT_EQ(refusal({"-p"}), "-p: a word is missing behind it");
    EXPECT_EQ(refusal({"-p", "-d"}), "-p: a word is missing behind it");
    EXPECT_NE(refusal({"-v", "much"}), "taken");
    EXPECT_NE(refusal({"-c", "config.xml"}), "taken");
}

TEST(OriginalOptions, Services)
{
    OriginalOptions options = parse({"@a", "--install-service", "web"}, {{"a", "cobd0=/d"}});
    EXPECT_EQ(options.action, Action::InstallService);
    EXPECT_EQ(options.service, "web");
    options = parse({"--install-service", "cobd0=/d"});
    EXPECT_EQ(options.service, "colinux");
    EXPECT_EQ(options.config.disks.size(), 1u);
    EXPECT_EQ(parse({"--remove-service"}).action, Action::RemoveService);
    EXPECT_EQ(parse({"--run-service", "web"}).action, Action::RunService);
    for (const char* driver : {"--install-driver", "--remove-driver", "--status-driver"})
        refuses_here(driver);
}

TEST(OriginalOptions, Memory)
{
    EXPECT_EQ(parse({"mem=64M"}).config.memory_bytes, 64ull << 20);
    EXPECT_EQ(parse({"mem=65"}).config.memory_bytes, 66ull << 20);
    EXPECT_EQ(parse({"mem=65"}).notes.size(), 1u);
    for (const char* bad : {"mem=", "mem=x", "mem=-1", "mem=64K", "mem=99999999999999999999", "mem=20000000"})
        EXPECT_NE(refusal({bad}), "taken") << bad;
}

TEST(OriginalOptions, ConsoleSizeAndDiskEngineAreChecked)
{
    EXPECT_EQ(parse({"cocon=120x40", "cocon=80,25", "setcobd=async"}).notes.size(), 2u);
    for (const char* bad : {"cocon=", "cocon=15x25", "cocon=80", "cocon=80x1", "cocon=200x82", "cocon=80x25x1", "setcobd=fast"})
        EXPECT_NE(refusal({bad}), "taken") << bad;
}

TEST(OriginalOptions, DisksComeInTheOrderOfTheirNumbers)
{
    OriginalOptions options = parse({"cobd2=c", "scsi0=disk,\"s, t\"", "hdb=x", "cobd0=a", "sda1=y", "root=/dev/hdb"});
    ASSERT_EQ(options.config.disks.size(), 5u); // sd before hd: y is cobd1, x is cobd3
    const char* expected[] = {"/here/a", "/here/y", "/here/c", "/here/x", "/here/s, t"};
    for (std::size_t i = 0; i < 5; i++)
        EXPECT_EQ(options.config.disks[i].path, expected[i]);
    EXPECT_EQ(options.config.command_line, "root=/dev/vdd");
}

TEST(OriginalOptions, RootIsCalledAsItIsHere)
{
    EXPECT_EQ(parse({"scsi1=disk,a", "scsi0=cdrom,b", "root=/dev/sdb2"}).config.command_line, "root=/dev/vdb2");
    EXPECT_TRUE(parse({"scsi0=cdrom,b"}).config.disks[0].read_only);
    EXPECT_EQ(parse({"cobd3=a", "root=/dev/cobd3"}).config.command_line, "root=/dev/vda");
    EXPECT_EQ(parse({"cobd3=a"}).notes, Words{"cobd3 is /dev/vda in the guest, and /dev/cobd0"});
    EXPECT_EQ(parse({"cobd0=a", "root=LABEL=x"}).config.command_line, "root=LABEL=x");
}

TEST(OriginalOptions, DiskMistakes)
{
    EXPECT_EQ(refusal({"cobd0=a", "cobd0=b"}), "cobd0 is defined twice");
    EXPECT_EQ(refusal({"cobd32=a"}), "cobd32: numbers go up to 31");
    EXPECT_EQ(refusal({"cobd0="}), "cobd0=: expected a file name");
    EXPECT_NE(refusal({"hda1=:cobd0"}), "taken");
    EXPECT_NE(refusal({"hda=a", "hda=b"}), "taken");
    EXPECT_NE(refusal({"scsi0=floppy,a"}), "taken");
    EXPECT_NE(refusal({"scsi26=disk,a"}), "taken");
    Words many;
    for (unsigned i = 0; i < 25; i++)
        many.push_back("cobd" + std::to_string(i) + "=a");
    EXPECT_EQ(refusal(many), "too many disks: at most 24");
}

TEST(OriginalOptions, Redirections)
{
    NetConfig net = parse({"eth0=slirp,,tcp:2222:22/udp:4000:80:3"}).config.nets.at(0);
    ASSERT_EQ(net.forwards.size(), 4u);
    EXPECT_EQ(net.forwards[0].guest_port, 22);
    EXPECT_TRUE(net.forwards[3].udp);
    EXPECT_EQ(net.forwards[3].host_port, 4002);
    EXPECT_EQ(net.forwards[3].guest_port, 82);
    EXPECT_EQ(parse({"eth0=slirp,02:00:00:00:00:01"}).notes.size(), 1u);
    for (const char* bad : {"tcp", "tcp:1", "tcp:1:x", "tcp:1:2:0", "tcp:65535:1:2", "tcp:1:2:x", "sctp:1:2", "tcp:1:2:3:4", "tcp:1:2,forward=tcp:3:4"})
        EXPECT_NE(refusal({std::string{"eth0=slirp,,"} + bad}), "taken") << bad;
    EXPECT_NE(refusal({"eth0=token-ring"}), "taken");
    EXPECT_NE(refusal({"eth16=slirp"}), "taken");
}

TEST(OriginalOptions, TuntapWithANameIsATapOfTheHost)
{
    OriginalOptions options = parse({"kernel=vmlinux", "eth0=tuntap,co0,00:11:22:33:44:55"});
    EXPECT_EQ(options.config.nets.at(0).tap, "co0");
    EXPECT_EQ(options.notes.size(), 1u);
}

TEST(OriginalOptions, PartsBetweenCommas)
{
    EXPECT_EQ(original_parts("tuntap,\"Local, Area\",00:11"), (Words{"tuntap", "Local, Area", "00:11"}));
    EXPECT_EQ(original_parts("a\"\"b,,"), (Words{"a\"b", "", ""}));
    EXPECT_EQ(original_parts("\""), Words{""});
}

TEST(OriginalOptions, WhatThisHostCannotDoIsSaid)
{
    for (const char* word : {"cobd0=\\Device\\Harddisk0\\Partition1", "kernel=C:\\coLinux\\vmlinux", "cofs0=/srv", "ttys0=COM1", "exec0=xming", "pci0=0,video,0",
                             "eth0=tuntap", "eth0=pcap-bridge,\"Local Area Network\"", "eth0=ndis-bridge", "scsi0=tape,x", "scsi0=disk,x,100"})
        refuses_here(word);
}

} // namespace
} // namespace colinux
