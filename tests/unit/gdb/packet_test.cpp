// SPDX-License-Identifier: GPL-2.0
#include "vmm/gdb/packet.hpp"

#include <gtest/gtest.h>

namespace colinux::testing {
namespace {

using Kind = PacketParser::Kind;

std::vector<std::string> packets_in(PacketParser& parser, std::string_view bytes)
{
    std::vector<std::string> texts;
    for (const PacketParser::Event& event : parser.add(bytes))
        if (event.kind == Kind::Packet)
            texts.push_back(event.text);
    return texts;
}

TEST(PacketParser, PacketsInAnyPiecesAreTheSame)
{
    std::string stream = "+" + frame("vCont;c:1") + "\n" + frame("m10,4") + "+";
    for (std::size_t piece = 1; piece <= stream.size(); piece++) {
        PacketParser parser;
        std::vector<std::string> texts;
        for (std::size_t at = 0; at < stream.size(); at += piece)
            for (const std::string& text : packets_in(parser, std::string_view{stream}.substr(at, piece)))
                texts.push_back(text);
        EXPECT_EQ(texts, (std::vector<std::string>{"vCont;c:1", "m10,4"})) << piece;
    }
}

TEST(PacketParser, AllBytesSurviveTheFrame)
{
    std::string every;
    for (int byte = 0; byte < 256; byte++)
        every.push_back(static_cast<char>(byte));
    PacketParser parser;
    EXPECT_EQ(packets_in(parser, frame(every)), std::vector{every});
}

TEST(PacketParser, WrongChecksumIsDamage)
{
    for (const char* packet : {"$OK#9b", "$OK#zz", "$OK#9", "$OL#9a"}) {
        PacketParser parser;
        std::vector<PacketParser::Event> events = parser.add(std::string{packet} + "x");
        ASSERT_EQ(events.size(), 1u) << packet;
        EXPECT_EQ(events[0].kind, Kind::Damaged) << packet;
    }
}

TEST(PacketParser, ControlBytesCountBetweenPacketsOnly)
{
    PacketParser parser;
    std::vector<PacketParser::Event> events = parser.add("\x03-+" + frame("X0,2:\x03-"));
    ASSERT_EQ(events.size(), 3u);
    EXPECT_EQ(events[0].kind, Kind::Interrupt);
    EXPECT_EQ(events[1].kind, Kind::Again);
    EXPECT_EQ(events[2].text, "X0,2:\x03-");
}

TEST(PacketParser, PacketThatBreaksOffIsForgotten)
{
    PacketParser parser;
    EXPECT_EQ(packets_in(parser, "$m1000," + frame("g")), std::vector<std::string>{"g"});
}

TEST(PacketParser, LongestPacketIsTakenALongerOneIsNot)
{
    PacketParser parser;
    std::string longest(PacketParser::kMostPacketBytes, 'a');
    EXPECT_EQ(packets_in(parser, frame(longest)), std::vector{longest});
    std::vector<PacketParser::Event> events = parser.add(frame(longest + "a"));
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].kind, Kind::TooLong);
    EXPECT_EQ(packets_in(parser, frame("g")), std::vector<std::string>{"g"});
}

TEST(Hexadecimal, NumbersAndBytes)
{
    EXPECT_EQ(to_hex("\x01\xff"), "01ff");
    EXPECT_EQ(from_hex("01fF"), "\x01\xff");
    EXPECT_EQ(from_hex("1"), std::nullopt);
    EXPECT_EQ(from_hex("0g"), std::nullopt);
    EXPECT_EQ(number_from_hex("ffffffff81000000"), 0xffffffff81000000);
    EXPECT_EQ(number_from_hex("10000000000000000"), std::nullopt);
    EXPECT_EQ(number_from_hex(""), std::nullopt);
    EXPECT_EQ(number_from_hex("-1"), std::nullopt);
    EXPECT_EQ(number_to_hex(0), "0");
}

} // namespace
} // namespace colinux::testing
