// SPDX-License-Identifier: GPL-2.0
#include "tests/fakes/debug_target.hpp"
#include "vmm/gdb/gdb_session.hpp"

#include <gtest/gtest.h>

namespace colinux::testing {
namespace {

class GdbSessionTest : public ::testing::Test {
protected:
    // The answers to one packet, without their frames.
    std::vector<std::string> ask(const std::string& text)
    {
        session.received(frame(text));
        return answers();
    }
    std::vector<std::string> answers()
    {
        PacketParser parser;
        std::vector<std::string> texts;
        for (const PacketParser::Event& event : parser.add(std::exchange(sent, {})))
            if (event.kind == PacketParser::Kind::Packet)
                texts.push_back(event.text);
        return texts;
    }
    using Texts = std::vector<std::string>;

    FakeDebugTarget target;
    std::string sent;
    GdbSession session{target, [this](const std::string& text) { sent += text; }};
};

TEST_F(GdbSessionTest, GuestStandsStillFromTheFirstByteOn)
{
    EXPECT_EQ(target.history, Texts{"stop"});
    EXPECT_EQ(ask("?"), Texts{"T05thread:1;"});
}

TEST_F(GdbSessionTest, PacketsAreAcknowledgedUntilToldOtherwise)
{
    session.received("$?#3f");
    EXPECT_EQ(sent.substr(0, 1), "+");
    session.received("$?#40");
    EXPECT_EQ(sent.back(), '-');
    sent.clear();
    session.received("-");
    EXPECT_EQ(answers(), Texts{"T05thread:1;"}) << "again";
    ask("QStartNoAckMode");
    session.received("$?#3f");
    EXPECT_EQ(sent.substr(0, 1), "$");
}

TEST_F(GdbSessionTest, UnknownPacketsAreNotSupported)
{
    for (const char* packet : {"vMustReplyEmpty", "Z1,0,1", "qTStatus", "", "!", "bs", "_M"})
        EXPECT_EQ(ask(packet), Texts{""}) << packet;
}

TEST_F(GdbSessionTest, DescriptionComesInPieces)
{
    std::string xml;
    std::string piece = "m";
    while (piece[0] == 'm') {
        piece = ask("qXfer:features:read:target.xml:" + number_to_hex(xml.size()) + ",100")[0];
        xml += piece.substr(1);
    }
    EXPECT_EQ(xml, target_description());
    EXPECT_NE(xml.find("i386:x86-64"), std::string::npos);
}

TEST_F(GdbSessionTest, CpusAreThreads)
{
    EXPECT_EQ(ask("qfThreadInfo"), Texts{"m1,2"});
    EXPECT_EQ(ask("qThreadExtraInfo,2"), Texts{to_hex("CPU 1")});
    EXPECT_EQ(ask("Hg2"), Texts{"OK"});
    EXPECT_EQ(ask("qC"), Texts{"QC2"});
    EXPECT_EQ(ask("T3")[0][0], 'E');
    target.second_runs = false;
    EXPECT_EQ(ask("T2")[0][0], 'E');
    EXPECT_EQ(ask("qfThreadInfo"), Texts{"m1"});
}

TEST_F(GdbSessionTest, BreakpointStopsAllAndSaysWhich)
{
    ask("qSupported:swbreak+;xmlRegisters=i386");
    EXPECT_EQ(ask("Z0,ffffffff81000010,1"), Texts{"OK"});
    EXPECT_EQ(target.breakpoints, std::set<std::uint64_t>{0xffffffff81000010});
    EXPECT_EQ(ask("vCont;c"), Texts{}) << "it runs: no answer";
    target.trap = DebugTarget::Trap{1, true};
    session.look();
    EXPECT_EQ(answers(), Texts{"T05swbreak:;thread:2;"});
    EXPECT_EQ(target.history, (Texts{"stop", "go cc", "stop"}));
    EXPECT_EQ(ask("z0,ffffffff81000010,1"), Texts{"OK"});
    EXPECT_TRUE(target.breakpoints.empty());
}

TEST_F(GdbSessionTest, RefusalIsToldInWords)
{
    EXPECT_EQ(ask("Z0,10,1"), Texts{"E.no memory there"});
}

TEST_F(GdbSessionTest, FirstActionThatFitsAThreadCounts)
{
    ask("vCont;s:1");
    EXPECT_EQ(target.history.back(), "go sh");
    EXPECT_TRUE(session.steps_alone());
    session.let_others_go();
    EXPECT_EQ(target.history.back(), "go hc");
    target.trap = DebugTarget::Trap{0, false};
    session.look();
    EXPECT_EQ(answers(), Texts{"T05thread:1;"});
    ask("vCont;s:2;c");
    EXPECT_EQ(target.history.back(), "go cs");
    EXPECT_FALSE(session.steps_alone());
}

TEST_F(GdbSessionTest, StepThatCannotBeMadeStopsAtOnce)
{
    target.said = "not here";
    target.trap_when_going = DebugTarget::Trap{0, false};
    EXPECT_EQ(ask("vCont;s:1"), (Texts{"O" + to_hex("not here\n"), "T05thread:1;"}));
}

TEST_F(GdbSessionTest, TrapOfACpuThatStoppedWithTheOthersIsForgotten)
{
    target.trap = DebugTarget::Trap{1, true};
    EXPECT_EQ(ask("vCont;c"), Texts{});
    session.look();
    EXPECT_EQ(answers(), Texts{});
}

TEST_F(GdbSessionTest, CtrlCStopsARunningGuestOnly)
{
    session.received("\x03");
    EXPECT_EQ(answers(), Texts{});
    ask("c");
    target.stops = false;
    session.received("\x03");
    Texts said = answers();
    ASSERT_EQ(said.size(), 2u);
    EXPECT_EQ(said[0][0], 'O') << "not every CPU";
    EXPECT_EQ(said[1], "T02thread:1;");
}

TEST_F(GdbSessionTest, RunningGuestAnswersNothingElse)
{
    ask("c");
    EXPECT_EQ(ask("g"), Texts{"E.the guest runs"});
    EXPECT_EQ(ask("Mffffffff81000000,1:00"), Texts{"E.the guest runs"});
    EXPECT_EQ(target.memory[0], 'm');
}

TEST_F(GdbSessionTest, RegistersGoBothWays)
{
    EXPECT_EQ(ask("p10"), Texts{"1000000000000000"});
    EXPECT_EQ(ask("P10=efcdab8967452301"), Texts{"OK"});
    EXPECT_EQ(target.registers(0)[kRip], 0x0123456789abcdefu);
    std::string all = ask("g")[0];
    EXPECT_EQ(all.size(), 16u * 17 + 8 * 7 + 20 * 8 + 8 * 8 + 16 * 6);
    EXPECT_EQ(all.substr(16 * 17 + 8 * 7, 4), "xxxx") << "st0";
    EXPECT_EQ(ask("G" + all), Texts{"OK"});
    EXPECT_EQ(ask("G" + all + "00"), Texts{"E.bad packet"});
    EXPECT_EQ(ask("p2e"), Texts{"E.bad packet"});
    EXPECT_EQ(ask("P18=00000000000000000000")[0][0], 'E') << "not known";
    ask("Hg2");
    EXPECT_EQ(ask("P10=0000000000000000"), Texts{"E.cannot be changed"});
}

TEST_F(GdbSessionTest, MemoryGoesBothWays)
{
    EXPECT_EQ(ask("Mffffffff81000000,2:4142"), Texts{"OK"});
    EXPECT_EQ(ask("Xffffffff81000002,2:}\x03"), Texts{"OK"}) << "escaped by the frame";
    EXPECT_EQ(ask("mffffffff81000000,5"), Texts{to_hex("AB}\x03m")}) << "up to the length";
    EXPECT_EQ(ask("mffffffff81000fff,8"), Texts{to_hex("m")}) << "as far as there is";
    EXPECT_EQ(ask("m0,8"), Texts{"E14"});
    EXPECT_EQ(ask("Mffffffff81000fff,2:0000"), Texts{"E14"});
    EXPECT_EQ(ask("Mffffffff81000000,3:0000"), Texts{"E.bad packet"});
    EXPECT_EQ(ask("mffffffff81000000"), Texts{"E.bad packet"});
}

TEST_F(GdbSessionTest, MonitorCommandIsText)
{
    EXPECT_EQ(ask("qRcmd," + to_hex("help")), Texts{to_hex("you said help\n")});
}

TEST_F(GdbSessionTest, DetachLetsGoOnce)
{
    EXPECT_EQ(ask("D"), Texts{"OK"});
    EXPECT_TRUE(session.over());
    EXPECT_EQ(target.history.back(), "let go");
    EXPECT_EQ(ask("g"), Texts{}) << "it is over";
}

TEST_F(GdbSessionTest, KillEndsTheGuest)
{
    EXPECT_EQ(ask("k"), Texts{});
    EXPECT_EQ(target.history.back(), "kill");
    EXPECT_TRUE(session.over());
}

TEST_F(GdbSessionTest, EndOfTheGuestIsTold)
{
    ask("c");
    session.guest_ended(12);
    EXPECT_EQ(answers(), Texts{"W0c"});
    EXPECT_TRUE(session.over());
}

TEST(GdbSession, GoneGdbLeavesAGuestThatRuns)
{
    FakeDebugTarget target;
    {
        GdbSession session{target, [](const std::string&) {}};
        session.received(frame(std::string(PacketParser::kMostPacketBytes + 1, 'm')));
        EXPECT_TRUE(session.over());
    }
    EXPECT_EQ(target.history.back(), "let go");
}

} // namespace
} // namespace colinux::testing
