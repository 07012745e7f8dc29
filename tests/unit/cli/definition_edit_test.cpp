// SPDX-License-Identifier: GPL-2.0
// `colinux set`: one value changes, the rest of the file does not.
#include "cli/definition.hpp"

#include "control/failure.hpp"

#include <gtest/gtest.h>

namespace colinux {
namespace {

constexpr const char* kText = "# mine: ä\n"
                              "append = \"ä b\" # words\n"
                              "memory = \"1G\"\n"
                              "\n"
                              "[[disk]] # root\n"
                              "path = \"/d\"\n"
                              "[[net]]\n"
                              "type = \"slirp\"\n";

std::string edit(const std::string& key, const std::string& value) { return edit_definition(kText, "web.toml", key, value); }

std::string changed(std::string text, const std::string& from, const std::string& to) { return text.replace(text.find(from), from.size(), to); }

std::string refusal(const std::string& key, const std::string& value, const std::string& text = kText)
{
    try {
        edit_definition(text, "web.toml", key, value);
    } catch (const Failure& failure) {
        return failure.what();
    }
    return "taken";
}

TEST(DefinitionEdit, ValueIsExchanged)
{
    EXPECT_EQ(edit("memory", "2G"), changed(kText, "1G", "2G"));
    EXPECT_EQ(edit("append", "a \"c\" \\d"), changed(kText, "\"ä b\"", R"("a \"c\" \\d")"));
    EXPECT_EQ(edit("disk[0].path", "/other"), changed(kText, "/d", "/other"));
}

TEST(DefinitionEdit, NewValueComesBehindTheOthersOfItsPart)
{
    EXPECT_EQ(edit("cpus", "2"), changed(kText, "\"1G\"\n", "\"1G\"\ncpus = 2\n"));
    EXPECT_EQ(edit("autostart", "true"), changed(kText, "\"1G\"\n", "\"1G\"\nautostart = true\n"));
    EXPECT_EQ(edit("disk[0].read_only", "true"), changed(kText, "# root\n", "# root\nread_only = true\n"));
    EXPECT_EQ(edit("net[0].forward", "tcp:1:2,udp:3:4"), changed(kText, "[[net]]\n", "[[net]]\nforward = [\"tcp:1:2\",\"udp:3:4\"]\n"));
}

TEST(DefinitionEdit, FirstValueOfTheFirstPart)
{
    EXPECT_EQ(edit_definition("# c\n\n[[disk]]\npath = \"/d\"", "web.toml", "cpus", "2"), "# c\n\ncpus = 2\n[[disk]]\npath = \"/d\"\n");
    EXPECT_EQ(edit_definition("[[disk]]\npath = \"/d\"\n", "web.toml", "cpus", "2"), "cpus = 2\n[[disk]]\npath = \"/d\"\n");
}

TEST(DefinitionEdit, NoValueTakesTheKeyOut)
{
    EXPECT_EQ(edit("append", ""), changed(kText, "append = \"ä b\" # words\n", ""));
    EXPECT_EQ(edit("cpus", ""), kText);
    EXPECT_NE(refusal("disk[0].path", ""), "taken");
}

TEST(DefinitionEdit, BadKeysAndValuesAreRefused)
{
    EXPECT_EQ(refusal("memroy", "1G"), "unknown key 'memroy'; is 'memory' meant?");
    EXPECT_EQ(refusal("disk[0].pth", "/x"), "unknown key 'pth'; is 'path' meant?");
    EXPECT_EQ(refusal("disk[1].path", "/x"), "there is no disk[1] in web.toml, which has 1 of them");
    EXPECT_EQ(refusal("disk[x].path", "/x").substr(0, 20), "key 'disk[x].path': ");
    EXPECT_EQ(refusal("disk[0]", "/x").substr(0, 15), "key 'disk[0]': ");
    EXPECT_EQ(refusal("disk", "/x").substr(0, 24), "to add or remove a disk,");
    EXPECT_EQ(refusal("cpus", "two"), "cpus: 'two': expected a number, as 2");
    EXPECT_EQ(refusal("autostart", "yes"), "autostart: 'yes': expected true or false");
    EXPECT_EQ(refusal("kernel", "vmlinuz").substr(0, 19), "kernel: 'vmlinuz' d");
    EXPECT_NE(refusal("memory", "8M").find("too small"), std::string::npos);
    EXPECT_NE(refusal("append", "\xff"), "taken");
    EXPECT_NE(refusal("append", "a\nb"), "taken");
}

TEST(DefinitionEdit, WhatWouldSpoilTheFileIsRefused)
{
    EXPECT_NE(refusal("disk[0].read_only", "true", "disk = [{path = \"/d\"}]").find("by hand"), std::string::npos);
    EXPECT_NE(refusal("disk[0].path", "", "cpus = 2\ndisk = [{path = \"/d\"}]"), "taken");
    EXPECT_NE(refusal("cpus", "2", "memroy = 1"), "taken");
}

} // namespace
} // namespace colinux
