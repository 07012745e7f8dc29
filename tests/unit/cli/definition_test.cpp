// SPDX-License-Identifier: GPL-2.0
// Definitions of guests: what is read, and what is said about mistakes.
#include "cli/definition.hpp"
#include "cli/nearest.hpp"

#include "control/failure.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace colinux {
namespace {

using Problems = std::vector<std::string>;

Problems problems(std::string_view toml) { return definition_problems(toml, "web.toml"); }

std::string with_disk(const std::string& line) { return line + "\n[[disk]]\npath = \"/d\"\n"; }

// The example of docs/config.md.
std::string documented()
{
    std::ifstream file{COLINUX_SOURCE_DIR "/docs/config.md"};
    std::stringstream text;
    text << file.rdbuf();
    std::size_t begin = text.str().find("```toml\n") + 8;
    return text.str().substr(begin, text.str().find("```", begin) - begin);
}

TEST(Definition, DocumentedExampleIsRead)
{
    GuestDefinition guest = parse_definition(documented(), "config.md");
    EXPECT_EQ(guest.machine.memory_bytes, 1ull << 30);
    EXPECT_EQ(guest.machine.vcpus, 2u);
    EXPECT_EQ(guest.machine.command_line, "quiet");
    EXPECT_TRUE(guest.autostart);
    ASSERT_EQ(guest.machine.disks.size(), 2u);
    EXPECT_EQ(guest.machine.disks[0].path, "/srv/web.raw");
    EXPECT_FALSE(guest.machine.disks[0].read_only);
    EXPECT_TRUE(guest.machine.disks[1].read_only);
    EXPECT_EQ(guest.machine.disks[1].partition, 1u);
    EXPECT_TRUE(guest.machine.disks[1].raw);
    ASSERT_EQ(guest.machine.nets.size(), 1u);
    ASSERT_EQ(guest.machine.nets[0].forwards.size(), 2u);
    EXPECT_EQ(guest.machine.nets[0].forwards[0].host_port, 8080);
    EXPECT_EQ(guest.machine.nets[0].forwards[1].guest_port, 22);
}

TEST(Definition, EveryKeyIsDocumented)
{
    std::string text = documented();
    nlohmann::json guest = definition_json({{.disks = {{}}, .nets = {{}}}});
    for (const auto& item : guest.items()) {
        EXPECT_NE(text.find(item.key()), std::string::npos) << item.key();
        if (item.value().is_array())
            for (const auto& inner : item.value()[0].items())
                EXPECT_NE(text.find(inner.key() + " = "), std::string::npos) << inner.key();
    }
}

TEST(Definition, SurvivesWriting)
{
    GuestDefinition guest = parse_definition(documented(), "config.md");
    guest.machine.command_line = R"(a="b" c\d ä)";
    for (bool whole : {false, true})
        EXPECT_EQ(definition_json(parse_definition(definition_toml(guest, whole), "web.toml")), definition_json(guest));
}

TEST(Definition, WhatIsSoByDefaultIsNotWritten)
{
    GuestDefinition guest;
    guest.machine.disks.resize(1);
    guest.machine.disks[0].path = "/d";
    EXPECT_EQ(definition_toml(guest), "\n[[disk]]\npath = \"/d\"\n");
}

TEST(Definition, TextThatIsNotUtf8IsNotWritten)
{
    GuestDefinition guest;
    guest.machine.command_line = "\xff";
    EXPECT_THROW(definition_toml(guest), Failure);
}

TEST(Definition, SyntaxErrorHasItsPlace)
{
    EXPECT_EQ(problems("cpus = 2\nmemory = \"1G\n").at(0).substr(0, 11), "web.toml:2:");
    EXPECT_EQ(problems("a = \"\xff\"").size(), 1u);
    EXPECT_EQ(problems("[[[a]]]").size(), 1u); // Bug: the library asserts that these two cannot come
    EXPECT_EQ(problems("m\u00e4mory = 1").size(), 1u);
}

TEST(Definition, UnknownKeysAreToldWithTheNearestKnownOne)
{
    EXPECT_EQ(problems(with_disk("memroy = \"1G\"")), Problems{"web.toml:1:1: unknown key 'memroy'; is 'memory' meant?"});
    EXPECT_EQ(problems("[[disk]]\npath = \"/d\"\n  readonly = true"), Problems{"web.toml:3:3: unknown key 'readonly'; is 'read_only' meant?"});
    EXPECT_EQ(problems(with_disk("colour = 1")),
              Problems{"web.toml:1:1: unknown key 'colour'; known are: kernel, initrd, append, memory, cpus, on_reboot, watchdog, gdb, crash_dump, user, autostart, disk, net"});
}

TEST(Definition, WrongKindsOfValuesAreTold)
{
    EXPECT_EQ(problems(with_disk("cpus = \"2\"")), Problems{"web.toml:1:8: cpus: expected a number, as 2, not a text"});
    EXPECT_EQ(problems(with_disk("memory = 512")), Problems{"web.toml:1:10: memory: expected a size, as \"512M\", not a whole number"});
    EXPECT_EQ(problems(with_disk("autostart = 1979-05-27")), Problems{"web.toml:1:13: autostart: expected true or false, not a date or time"});
    EXPECT_EQ(problems("disk = \"/d\""), Problems{"web.toml:1:8: disk: there may be several: write [[disk]], each with its own lines"});
    EXPECT_EQ(problems("disk = [1]"), Problems{"web.toml:1:9: disk: expected a table, [[disk]], not a whole number"});
    EXPECT_EQ(problems(with_disk("") + "[[net]]\nforward = [1]"), Problems{"web.toml:5:11: forward: expected a list, as [\"tcp:2222:22\"], not a list"});
}

TEST(Definition, BadValuesAreTold)
{
    EXPECT_EQ(problems(with_disk("memory = \"1X\"")).at(0).substr(0, 34), "web.toml:1:10: memory: size '1X': ");
    EXPECT_EQ(problems(with_disk("memory = \"8M\"")).at(0).substr(0, 37), "web.toml:1:10: memory 8M is too small");
    EXPECT_EQ(problems(with_disk("cpus = 0")).at(0).substr(0, 19), "web.toml:1:8: 0 CPU");
    EXPECT_EQ(problems(with_disk("cpus = -1")), Problems{"web.toml:1:8: cpus: -1 is out of range"});
    EXPECT_EQ(problems(with_disk("cpus = 4294967298")), Problems{"web.toml:1:8: cpus: 4294967298 is out of range"});
    EXPECT_EQ(problems("kernel = \"vmlinuz\"").at(0).substr(0, 54), "web.toml:1:10: kernel: 'vmlinuz' does not begin with '");
    EXPECT_EQ(problems("kernel = \"/a\\u0000b\""), Problems{"web.toml:1:10: kernel: has a control character in it"});
    EXPECT_EQ(problems("[[disk]]\nread_only = true"), Problems{"web.toml:1:1: a disk without path = \"FILE\""});
    EXPECT_EQ(problems("").at(0).substr(0, 25), "web.toml:1:1: no kernel: ");
    EXPECT_EQ(problems(with_disk("") + "[[net]]\ntype = \"tap\""), Problems{"web.toml:5:8: type: 'tap': expected \"slirp\" or \"tap=INTERFACE\""});
}

TEST(Definition, SamePortTwiceIsTold)
{
    EXPECT_EQ(problems(with_disk("") + "[[net]]\nforward = [\"tcp:1:2\"]\n[[net]]\nforward = [\"tcp:1:3\"]").at(0).substr(0, 36),
              "web.toml:4:1: port 1 is forwarded tw");
    EXPECT_EQ(problems(with_disk("") + "[[net]]\nforward = [\"tcp:1:2,forward=tcp:3:4\"]").size(), 1u);
}

TEST(Definition, AllProblemsAreToldInTheOrderOfTheFile)
{
    Problems all = problems(with_disk("memroy = 1\ncpus = \"2\"") + "colour = 1");
    ASSERT_EQ(all.size(), 3u);
    EXPECT_EQ(all[0].substr(0, 13), "web.toml:1:1:");
    EXPECT_EQ(all[1].substr(0, 13), "web.toml:2:8:");
    EXPECT_EQ(all[2].substr(0, 13), "web.toml:5:1:");
}

TEST(Definition, FirstProblemIsTheFailure)
{
    try {
        parse_definition("a = 1\nb = 2", "web.toml");
        FAIL();
    } catch (const Failure& failure) {
        EXPECT_EQ(failure.code(), ExitCode::DefinitionInvalid);
        EXPECT_TRUE(std::string{failure.what()}.ends_with("(all: colinux config check web.toml)"));
    }
}

TEST(Nearest, IsWhatIsFewestLettersAway)
{
    constexpr std::string_view words[] = {"memory", "cpus", "kernel"};
    EXPECT_EQ(nearest("memroy", words), "memory");
    EXPECT_EQ(nearest("cpu", words), "cpus");
    EXPECT_EQ(nearest("kernal", words), "kernel");
    EXPECT_EQ(nearest("partition", words), "");
    EXPECT_EQ(nearest("", words), "");
    EXPECT_EQ(nearest(std::string(100'000, 'm'), words), "");
}

TEST(Definition, WhatRunTakesIsWrittenAndReadAgain)
{
    MachineConfig machine;
    machine.kernel = "/boot/vmlinuz";
    machine.restarts = false;
    machine.watchdog = {30, WatchdogConfig::Action::Dump};
    machine.crash_dump = "/var/crash/web.vmcore";
    machine.user = "colinux";
    machine.nets.resize(2);
    machine.nets[0].tap = "co0";
    machine.nets[1].host_loopback = true;
    machine.nets[1].subnet = {0x0a010000, 16};
    machine.nets[1].forwards = {{false, 8080, 80, 0x0a020304}};
    MachineConfig copy = parse_definition(definition_toml({machine, false}), "web.toml").machine;
    EXPECT_EQ(config_to_json(copy), config_to_json(machine));
}

} // namespace
} // namespace colinux
