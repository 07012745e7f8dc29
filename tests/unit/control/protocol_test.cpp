// SPDX-License-Identifier: GPL-2.0
// The control socket's language.
#include "control/protocol.hpp"

#include <gtest/gtest.h>

namespace colinux {
namespace {

TEST(Request, CallsAreKnown)
{
    EXPECT_EQ(parse_request(R"({"call":"status"})").call, ControlRequest::Call::Status);
    EXPECT_EQ(parse_request(R"({"call":"kill"})").call, ControlRequest::Call::Kill);
}

TEST(Request, ResizeCarriesTheSize)
{
    ControlRequest request = parse_request(R"({"call":"resize","rows":50,"columns":132})");
    EXPECT_EQ(request.rows, 50);
    EXPECT_EQ(request.columns, 132);
}

TEST(Request, ConnectCarriesThePort) { EXPECT_EQ(parse_request(R"({"call":"connect","port":4294967294})").port, 4294967294u); }

TEST(Request, DumpIsKnown) { EXPECT_EQ(parse_request(R"({"call":"dump"})").call, ControlRequest::Call::Dump); }

class BadRequest : public testing::TestWithParam<const char*> {};
TEST_P(BadRequest, IsRefused) { EXPECT_THROW(parse_request(GetParam()), Failure); }
INSTANTIATE_TEST_SUITE_P(Lines, BadRequest,
                         testing::Values("", "status", "{}", "[]", R"({"call":7})", R"({"call":"fly"})",
                                         R"({"call":"status"} x)", R"({"call":"resize"})",
                                         R"({"call":"resize","rows":-1,"columns":1})",
                                         R"({"call":"resize","rows":65536,"columns":1})",
                                         R"({"call":"logs","tail":-1})", R"({"call":"logs","tail":"all"})",
                                         R"({"call":"logs","follow":1})", R"({"call":"connect"})",
                                         R"({"call":"connect","port":-1})", R"({"call":"connect","port":4294967295})", "\xff\xfe"));

TEST(Answer, FailureComesBackAsFailure)
{
    try {
        parse_answer(answer(Failure{ExitCode::GuestHang, "hung"}));
        FAIL();
    } catch (const Failure& failure) {
        EXPECT_EQ(failure.code(), ExitCode::GuestHang);
        EXPECT_STREQ(failure.what(), "hung");
    }
}

TEST(Answer, TextThatIsNotUtf8DoesNotThrow) { EXPECT_NO_THROW(answer({{"reason", "panic: \xff"}})); }

TEST(LineBuffer, CutsLines)
{
    LineBuffer buffer;
    buffer.add("one\ntw");
    EXPECT_EQ(buffer.next(), "one");
    EXPECT_EQ(buffer.next(), std::nullopt);
    buffer.add("o\nrest");
    EXPECT_EQ(buffer.next(), "two");
    EXPECT_EQ(buffer.take_rest(), "rest");
}

TEST(LineBuffer, EndlessLineIsRefused)
{
    LineBuffer buffer;
    EXPECT_THROW(buffer.add(std::string(kMaximumRequestBytes, 'x')), Failure);
}

TEST(ControlProtocol, StopHasNinetySecondsUnlessTold)
{
    EXPECT_EQ(parse_request(R"({"call":"stop"})").patience, std::chrono::seconds{90});
    EXPECT_EQ(parse_request(R"({"call":"stop","seconds":600})").patience, std::chrono::seconds{600});
    EXPECT_THROW(parse_request(R"({"call":"stop","seconds":-1})"), Failure);
    EXPECT_THROW(parse_request(R"({"call":"stop","seconds":86401})"), Failure);
}

} // namespace
} // namespace colinux
