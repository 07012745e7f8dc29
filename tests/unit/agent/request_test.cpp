// SPDX-License-Identifier: GPL-2.0
// What the agent reads from its connection.
#include "request.hpp"

#include "account.hpp"

#include <gtest/gtest.h>

#include <fstream>

namespace colinux::agent {
namespace {

std::optional<Request> parse(std::string_view text)
{
    std::string why;
    std::optional<Request> request = parse_request(text, why);
    EXPECT_EQ(why.empty(), request.has_value());
    return request;
}

TEST(AgentRequest, AllFields)
{
    using namespace std::literals;
    std::optional<Request> request = parse("arg=ls\0arg=\0arg=a=b\0env=A=1=2\0user=www-data\0dir=/srv\0stdin=1\0tty=50x132\0"sv);
    ASSERT_TRUE(request);
    EXPECT_EQ(request->arguments, (std::vector<std::string>{"ls", "", "a=b"}));
    EXPECT_EQ(request->environment, std::vector<std::string>{"A=1=2"});
    EXPECT_EQ(request->user, "www-data");
    EXPECT_EQ(request->directory, "/srv");
    EXPECT_TRUE(request->has_stdin);
    EXPECT_TRUE(request->has_tty);
    EXPECT_EQ(request->rows, 50);
    EXPECT_EQ(request->columns, 132);
}

class BadAgentRequest : public testing::TestWithParam<std::string> {};
TEST_P(BadAgentRequest, IsRefused) { EXPECT_FALSE(parse(GetParam())); }
INSTANTIATE_TEST_SUITE_P(Texts, BadAgentRequest,
                         testing::Values(std::string{"arg=ls"}, std::string{"arg\0", 4}, std::string{"fly=1\0", 6}, std::string{"tty=50\0", 7},
                                         std::string{"tty=1x70000\0", 12}, std::string{"tty=1x2x\0", 9}, std::string{"env=A\0", 6}, std::string{"env==1\0", 7},
                                         std::string{"user=\0", 6}, std::string{"\0", 1}));

TEST(AgentFrames, AreCutAtAnyPlace)
{
    std::string bytes;
    append_frame(bytes, 3, "hello");
    append_frame(bytes, 2, "");
    FrameReader reader;
    std::vector<Frame> frames;
    for (char byte : bytes) {
        reader.add(&byte, 1);
        while (std::optional<Frame> frame = reader.next())
            frames.push_back(*frame);
    }
    ASSERT_EQ(frames.size(), 2u);
    EXPECT_EQ(frames[0].type, 3u);
    EXPECT_EQ(frames[0].payload, "hello");
    EXPECT_EQ(frames[1].payload, "");
}

TEST(AgentFrames, LongPayloadBecomesSeveral)
{
    std::string bytes;
    append_frame(bytes, 1, std::string(CO_AGENT_MAX_PAYLOAD + 1, 'x'));
    FrameReader reader;
    reader.add(bytes.data(), bytes.size());
    EXPECT_EQ(reader.next()->payload.size(), static_cast<std::size_t>(CO_AGENT_MAX_PAYLOAD));
    EXPECT_EQ(reader.next()->payload.size(), 1u);
}

TEST(AgentFrames, TooLongOneDamagesTheStream)
{
    co_agent_frame header{CO_AGENT_MAX_PAYLOAD + 1, 3, 0};
    FrameReader reader;
    reader.add(reinterpret_cast<const char*>(&header), sizeof header);
    EXPECT_FALSE(reader.next());
    EXPECT_TRUE(reader.is_damaged());
}

struct AgentAccount : testing::Test {
    AgentAccount()
    {
        std::ofstream{passwd} << "root:x:0:0::/root:/bin/bash\nweb:x:33:33::/srv:\n42:x:1000:100::/home/42:/bin/sh\nlife:x:42:42::/:/bin/sh\n";
        std::ofstream{group} << "web:x:33:\nadm:x:4:web,life\nssl:x:110:web\n";
    }
    std::string passwd = testing::TempDir() + "agent_passwd", group = testing::TempDir() + "agent_group";
    std::optional<Account> find(const char* user) { return find_account(user, passwd.c_str(), group.c_str()); }
};

TEST_F(AgentAccount, ByNameWithItsGroups)
{
    std::optional<Account> account = find("web");
    ASSERT_TRUE(account);
    EXPECT_EQ(account->user, 33u);
    EXPECT_EQ(account->groups, (std::vector<gid_t>{33, 4, 110}));
    EXPECT_EQ(account->shell, "/bin/sh");
}

TEST_F(AgentAccount, NameComesBeforeNumber) { EXPECT_EQ(find("42")->user, 1000u); }
TEST_F(AgentAccount, NumberThatNobodyHas) { EXPECT_EQ(find("777")->user, 777u); }
TEST_F(AgentAccount, NobodyOfThatName) { EXPECT_FALSE(find("nobody-here")); }
TEST_F(AgentAccount, NumberThatWouldMeanNoChange) { EXPECT_FALSE(find("4294967295")); }

} // namespace
} // namespace colinux::agent
