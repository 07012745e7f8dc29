// SPDX-License-Identifier: GPL-2.0
// gdb_client PORT COMMAND...: a debugger for system tests, where gdb itself is not at hand: speaks its remote protocol to
// `colinux run --gdb PORT` on this machine, prints a line per command, ends with 1 at the first that fails.
//   break SYMBOL, delete SYMBOL   breakpoint at its first instruction (+N: so many bytes behind it)
//   continue                      until something stops the guest, or it ends
//   run SECONDS                   likewise, or Ctrl-C
//   step                          one instruction of the CPU that stopped
//   text SYMBOL                   the string there
//   set REGISTER VALUE            by its number in hexadecimal
//   threads, trace, detach
#include "vmm/gdb/packet.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <sstream>

using namespace colinux;

namespace {

// As long as any guest of these tests takes, on this machine: see in_lab.sh
int patience_ms()
{
    const char* slowness = std::getenv("SLOWNESS");
    return 420'000 * (slowness ? std::max(1, std::atoi(slowness)) : 1);
}


[[noreturn]] void fail(const std::string& why)
{
    std::printf("FAILED: %s\n", why.c_str());
    std::exit(1);
}

class Client {
public:
    explicit Client(int port)
    {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(port));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
            fail("cannot connect");
        ask("QStartNoAckMode");
        stopped(ask("?"));
    }

    void command(const std::string& line)
    {
        std::istringstream words{line};
        std::string word, name, value;
        words >> word >> name >> value;
        if (word == "break" || word == "delete")
            expect_ok((word == "break" ? "Z0," : "z0,") + number_to_hex(address(name)) + ",1");
        else if (word == "continue")
            resume("vCont;c", -1);
        else if (word == "run")
            resume("vCont;c", std::atoi(name.c_str()) * 1000);
        else if (word == "step")
            resume("vCont;s:" + thread_, -1);
        else if (word == "text")
            std::printf("%s: %s\n", name.c_str(), bytes("m" + number_to_hex(address(name)) + ",60").c_str());
        else if (word == "set")
            expect_ok("P" + name + "=" + value);
        else if (word == "trace")
            std::printf("%s\n", monitor("trace").c_str());
        else if (word == "threads")
            threads();
        else if (word == "detach")
            expect_ok("D");
        else
            fail("unknown command " + line);
        std::fflush(stdout);
    }

private:
    void send(const std::string& text)
    {
        if (write(socket_, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
            fail("the connection is closed");
    }

    std::string ask(const std::string& packet)
    {
        send(frame(packet));
        return receive(patience_ms()).value_or("");
    }

    // The next packet; nothing when none comes in time.
    std::optional<std::string> receive(int limit_ms)
    {
        while (packets_.empty()) {
            pollfd ready{socket_, POLLIN, 0};
            if (poll(&ready, 1, limit_ms) != 1)
                return std::nullopt;
            char buffer[4096];
            ssize_t count = read(socket_, buffer, sizeof buffer);
            if (count <= 0)
                fail("the connection was closed");
            for (PacketParser::Event& event : parser_.add({buffer, static_cast<std::size_t>(count)}))
                if (event.kind == PacketParser::Kind::Packet)
                    packets_.push_back(std::move(event.text));
        }
        std::string first = std::move(packets_.front());
        packets_.pop_front();
        return first;
    }

    void expect_ok(const std::string& packet)
    {
        if (std::string answer = ask(packet); answer != "OK")
            fail(packet + ": " + answer);
    }

    std::string bytes(const std::string& packet)
    {
        std::string answer = ask(packet);
        std::optional<std::string> text = from_hex(answer);
        if (!text)
            fail(packet + ": " + answer);
        return text->substr(0, text->find_first_of(std::string_view{"\0\n", 2}));
    }

    std::string monitor(const std::string& command) { return from_hex(ask("qRcmd," + to_hex(command))).value_or("?"); }

    std::uint64_t address(const std::string& name)
    {
        std::size_t plus = name.find('+');
        std::string text = bytes("qRcmd," + to_hex("symbol " + name.substr(0, plus)));
        std::uint64_t offset = plus == std::string::npos ? 0 : std::strtoull(name.c_str() + plus, nullptr, 0);
        if (auto found = text.starts_with("0x") ? number_from_hex(text.substr(2)) : std::nullopt)
            return *found + offset;
        fail(name + ": " + text);
    }

    void resume(const std::string& packet, int limit_ms)
    {
        send(frame(packet));
        std::optional<std::string> answer = receive(limit_ms < 0 ? patience_ms() : limit_ms);
        if (!answer && limit_ms >= 0) {
            send("\x03");
            answer = receive(patience_ms());
        }
        if (!answer)
            fail(packet + ": no answer");
        if (answer->starts_with("W"))
            std::printf("exited %s\n", answer->substr(1).c_str());
        else
            stopped(*answer);
    }

    void stopped(const std::string& reply)
    {
        std::size_t thread = reply.find("thread:");
        if (reply[0] != 'T' || thread == std::string::npos)
            fail("not stopped: " + reply);
        thread_ = reply.substr(thread + 7, reply.find(';', thread) - thread - 7);
        std::string rip = from_hex(ask("p10")).value_or(std::string(8, '\0'));
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < rip.size(); i++)
            value |= std::uint64_t{static_cast<std::uint8_t>(rip[i])} << 8 * i;
        std::printf("signal %s, thread %s, at %s\n", reply.substr(1, 2).c_str(), thread_.c_str(), bytes("qRcmd," + to_hex("where " + number_to_hex(value))).c_str());
    }

    void threads()
    {
        std::istringstream list{ask("qfThreadInfo").substr(1)};
        for (std::string id; std::getline(list, id, ',');)
            std::printf("thread %s: %s\n", id.c_str(), bytes("qThreadExtraInfo," + id).c_str());
    }

    int socket_{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    PacketParser parser_;
    std::deque<std::string> packets_;
    std::string thread_;
};

} // namespace

int main(int argc, char** argv)
{
    if (argc < 3)
        return std::fprintf(stderr, "usage: gdb_client PORT COMMAND...\n"), 2;
    Client client{std::atoi(argv[1])};
    for (int i = 2; i < argc; i++)
        client.command(argv[i]);
}
