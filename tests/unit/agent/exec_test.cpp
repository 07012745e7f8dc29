// SPDX-License-Identifier: GPL-2.0
// The agent, in a process as in a guest, and the command's own side of it, over a socket pair.
#include "cli/agent_session.hpp"
#include "control/failure.hpp"
#include "session.hpp"
#include "tests/fakes/patience.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <csignal>
#include <future>
#include <thread>

namespace colinux {
namespace {

struct Ends {
    UniqueFd first, second;
};

Ends pair_of_sockets()
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        throw std::runtime_error{"socketpair"};
    return {UniqueFd{ends[0]}, UniqueFd{ends[1]}};
}

Ends pipe_ends() // reader, writer
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        throw std::runtime_error{"pipe"};
    return {UniqueFd{ends[0]}, UniqueFd{ends[1]}};
}

struct AgentExec : testing::Test {
    AgentExec()
    {
        Ends ends = pair_of_sockets();
        agent = fork();
        if (agent == 0) {
            ends.first.reset();
            agent::Session{agent::Descriptor{ends.second.release()}}.run();
            _exit(0);
        }
        connection = std::move(ends.first);
    }
    ~AgentExec() override
    {
        connection.reset();
        waitpid(agent, nullptr, 0); // it goes with its connection
    }

    static std::string read_all(int fd)
    {
        std::string text;
        char bytes[4096];
        for (ssize_t count; (count = read(fd, bytes, sizeof bytes)) > 0;)
            text.append(bytes, static_cast<std::size_t>(count));
        return text;
    }

    // Runs the request with `input`; fills what was printed.
    AgentEnd run(AgentRequest request, const std::string& input = "", HeldSignals* signals = nullptr)
    {
        Ends in = pipe_ends(), out = pipe_ends(), err = pipe_ends();
        std::thread writer{[&] {
            std::string_view left = input;
            for (ssize_t count; !left.empty() && (count = write(in.second.get(), left.data(), left.size())) > 0;)
                left.remove_prefix(static_cast<std::size_t>(count));
            in.second.reset();
        }};
        auto printed = std::async(std::launch::async, read_all, out.first.get()), complained = std::async(std::launch::async, read_all, err.first.get());
        AgentEnd end;
        {
            AgentSession session{std::move(connection), "web", request, {in.first.get(), out.second.get(), err.second.get()}, signals};
            end = session.run();
        }
        in.first.reset();
        out.second.reset();
        err.second.reset();
        writer.join();
        output = printed.get();
        error = complained.get();
        return end;
    }
    static AgentRequest shell(const std::string& script)
    {
        AgentRequest request;
        request.arguments = {"sh", "-c", script};
        return request;
    }

    pid_t agent;
    UniqueFd connection;
    std::string output, error;
};

TEST_F(AgentExec, ExitCodeAndStreams)
{
    AgentEnd end = run(shell("echo out; echo err >&2; exit 7"));
    EXPECT_EQ(end.code, 7);
    EXPECT_EQ(output, "out\n");
    EXPECT_EQ(error, "err\n");
    EXPECT_EQ(end.refusal, "");
}

TEST_F(AgentExec, WordsArriveAsTheyAre)
{
    AgentRequest request;
    request.arguments = {"printf", "%s|", "a b", "", "$HOME", "*", "\n"};
    run(request);
    EXPECT_EQ(output, "a b||$HOME|*|\n|");
}

TEST_F(AgentExec, InputOfManyWindows)
{
    AgentRequest request = shell("cat");
    request.has_stdin = true;
    std::string input;
    for (int i = 0; i < 100000; i++)
        input += std::to_string(i);
    EXPECT_EQ(run(request, input).code, 0);
    EXPECT_TRUE(output == input);
}

TEST_F(AgentExec, InputThatNobodyReadsIsNoObstacle)
{
    AgentRequest request = shell("exec <&-; sleep 0.1; echo done");
    request.has_stdin = true;
    std::signal(SIGPIPE, SIG_IGN);
    EXPECT_EQ(run(request, std::string(300000, 'x')).code, 0);
    EXPECT_EQ(output, "done\n");
}

TEST_F(AgentExec, WithoutInteractiveInputIsEmpty)
{
    run(shell("wc -c"), "never seen");
    EXPECT_EQ(output, "0\n");
}

TEST_F(AgentExec, NoSuchProgram)
{
    AgentRequest request;
    request.arguments = {"/no/such/program"};
    AgentEnd end = run(request);
    EXPECT_EQ(end.code, 127);
    EXPECT_EQ(end.refusal, "/no/such/program: No such file or directory");
}

TEST_F(AgentExec, WhatIsNoProgram)
{
    AgentRequest request;
    request.arguments = {"/etc/passwd"};
    EXPECT_EQ(run(request).code, 126);
}

TEST_F(AgentExec, FolderThatIsNotThere)
{
    AgentRequest request = shell("true");
    request.directory = "/no/such/folder";
    AgentEnd end = run(request);
    EXPECT_EQ(end.code, 126);
    EXPECT_EQ(end.refusal, "folder /no/such/folder: No such file or directory");
}

TEST_F(AgentExec, UserThatIsNotThere)
{
    AgentRequest request = shell("true");
    request.user = "nobody-of-that-name";
    AgentEnd end = run(request);
    EXPECT_EQ(end.code, 126);
    EXPECT_EQ(end.refusal, "there is no user nobody-of-that-name");
}

TEST_F(AgentExec, FolderAndEnvironment)
{
    AgentRequest request = shell("pwd; echo $WORD; echo $PATH");
    request.directory = "/usr";
    request.environment = {"WORD=a b", "PATH=/bin"};
    run(request);
    EXPECT_EQ(output, "/usr\na b\n/bin\n");
}

TEST_F(AgentExec, AgentsOwnEnvironmentIsNotPassedOn)
{
    run(shell("env | sort | sed 's/=.*//'"));
    EXPECT_EQ(output, "HOME\nLOGNAME\nPATH\nPWD\nSHELL\nUSER\n");
}

TEST_F(AgentExec, SignalThatKillsIsTheExitCode) { EXPECT_EQ(run(shell("kill -9 $$")).code, 137); }

TEST_F(AgentExec, TerminalOfTheSizeAsked)
{
    AgentRequest request = shell("test -t 0 && test -t 1 && test -t 2 && stty size && tty >/dev/null");
    request.has_tty = true;
    EXPECT_EQ(run(request).code, 0);
    EXPECT_EQ(output, "24 80\r\n");
}

TEST_F(AgentExec, EndOfInputOnATerminal)
{
    AgentRequest request = shell("stty -echo; echo ready; cat");
    request.has_tty = request.has_stdin = true;
    EXPECT_EQ(run(request, "typed\n").code, 0);
    EXPECT_NE(output.find("typed\r\n"), std::string::npos);
}

TEST_F(AgentExec, OutputOfAllSizesComesWhole)
{
    AgentEnd end = run(shell("head -c 3000000 /dev/zero; exit 3"));
    EXPECT_EQ(end.code, 3);
    EXPECT_EQ(output.size(), 3000000u);
}

TEST_F(AgentExec, WhatRunsOnInTheBackgroundIsNotWaitedFor)
{
    AgentEnd end = run(shell("sleep 1000 & echo $!"));
    EXPECT_EQ(end.code, 0);
    kill(std::stoi(output), SIGKILL);
}

TEST_F(AgentExec, SignalsAreForwarded)
{
    HeldSignals signals{SIGUSR1};
    AgentRequest request = shell("trap 'echo caught; exit 5' USR1; kill -USR1 " + std::to_string(getpid()) + "; while :; do sleep 0.01; done");
    EXPECT_EQ(run(request, "", &signals).code, 5);
    EXPECT_EQ(output, "caught\n");
}

TEST_F(AgentExec, SignalDoesNotWaitBehindInput)
{
    HeldSignals signals{SIGUSR1};
    AgentRequest request = shell("trap 'exit 6' USR1; sleep 0.1; kill -USR1 " + std::to_string(getpid()) + "; while :; do sleep 0.01; done");
    request.has_stdin = true;
    std::signal(SIGPIPE, SIG_IGN);
    EXPECT_EQ(run(request, std::string(1000000, 'x'), &signals).code, 6);
}

// Speaks with the agent itself.
struct AgentProtocol : AgentExec {
    void say(unsigned type, std::string_view payload)
    {
        std::string bytes;
        agent::append_frame(bytes, type, payload);
        ::send(connection.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    }
    void start(const std::string& script)
    {
        say(CO_AGENT_REQUEST, std::string{"arg=sh\0arg=-c\0arg=", 18} + script + '\0');
        say(CO_AGENT_START, "");
    }
    std::optional<agent::Frame> hear()
    {
        char bytes[4096];
        for (;;) {
            if (std::optional<agent::Frame> frame = reader.next())
                return frame;
            ssize_t count = becomes_readable(connection.get()) ? recv(connection.get(), bytes, sizeof bytes, 0) : 0;
            if (count <= 0)
                return std::nullopt;
            reader.add(bytes, static_cast<std::size_t>(count));
        }
    }
    agent::FrameReader reader;
};

TEST_F(AgentProtocol, CommandEndsWithItsConnection)
{
    start("echo $$; exec sleep 1000");
    EXPECT_EQ(hear()->type, static_cast<unsigned>(CO_AGENT_STARTED));
    pid_t command = std::stoi(hear()->payload);
    EXPECT_EQ(kill(command, 0), 0);
    connection.reset();
    waitpid(agent, nullptr, 0);
    EXPECT_TRUE(eventually([&] { return kill(command, 0) != 0; }));
}

class DamagedAgentStream : public AgentProtocol, public testing::WithParamInterface<std::pair<unsigned, std::string>> {};
TEST_P(DamagedAgentStream, EndsTheCommand)
{
    start("echo $$; exec sleep 1000");
    hear();
    pid_t command = std::stoi(hear()->payload);
    say(GetParam().first, GetParam().second);
    EXPECT_FALSE(hear());
    EXPECT_TRUE(eventually([&] { return kill(command, 0) != 0; }));
}
INSTANTIATE_TEST_SUITE_P(Frames, DamagedAgentStream,
                         testing::Values(std::pair{77u, std::string{}}, std::pair{unsigned{CO_AGENT_START}, std::string{}},
                                         std::pair{unsigned{CO_AGENT_SIGNAL}, std::string{"\x41\0\0\0", 4}}, std::pair{unsigned{CO_AGENT_SIGNAL}, std::string{"x"}},
                                         std::pair{unsigned{CO_AGENT_RESIZE}, std::string{"x"}},
                                         std::pair{unsigned{CO_AGENT_REQUEST}, std::string{"arg=x\0", 6}}));

TEST_F(AgentProtocol, RequestOfAnotherVersionIsRefused)
{
    say(CO_AGENT_REQUEST, std::string{"fly=1\0", 6});
    say(CO_AGENT_START, "");
    std::optional<agent::Frame> frame = hear();
    ASSERT_TRUE(frame);
    EXPECT_EQ(frame->type, static_cast<unsigned>(CO_AGENT_REFUSED));
    EXPECT_NE(frame->payload.find("another version"), std::string::npos);
}

TEST_F(AgentProtocol, EndlessRequestEndsTheConnection)
{
    for (int i = 0; i < 9; i++)
        say(CO_AGENT_REQUEST, std::string(CO_AGENT_MAX_PAYLOAD, 'x'));
    EXPECT_FALSE(hear());
}

// What the command does when the guest says nonsense.
TEST(AgentSessionTest, AgentThatGoesIsAFailure)
{
    Ends ends = pair_of_sockets();
    ends.second.reset();
    AgentRequest request;
    request.arguments = {"true"};
    try {
        AgentSession{std::move(ends.first), "web", request, {0, 1, 2}, nullptr}.run();
        FAIL();
    } catch (const Failure& failure) {
        EXPECT_EQ(failure.code(), ExitCode::AgentLost);
    }
}

TEST(AgentSessionTest, RequestThatIsTooLongIsNotSent)
{
    Ends ends = pair_of_sockets();
    AgentRequest request;
    request.arguments = {std::string(CO_AGENT_MAX_REQUEST, 'x')};
    EXPECT_THROW((AgentSession{std::move(ends.first), "web", request, {0, 1, 2}, nullptr}), Failure);
}

} // namespace
} // namespace colinux
