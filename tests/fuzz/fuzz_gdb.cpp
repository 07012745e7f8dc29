// SPDX-License-Identifier: GPL-2.0
// What a gdb, or whoever took its place, can send: as a byte stream in pieces, or as one packet a line with its frame made here (a
// checksum is hard to guess). CPUs stop in between. Whatever came, the guest is let go at the end.
#include "tests/fakes/debug_target.hpp"
#include "vmm/gdb/gdb_session.hpp"

#include <cstdint>
#include <cstdlib>

using namespace colinux;

namespace {

void check(bool right)
{
    if (!right)
        std::abort();
}

// Whatever the session sends must be packets and acknowledgements that the same parser takes.
void check_sent(const std::string& sent)
{
    PacketParser parser;
    for (const PacketParser::Event& event : parser.add(sent))
        check(event.kind == PacketParser::Kind::Packet || event.kind == PacketParser::Kind::Again);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    if (size < 2)
        return 0;
    bool framed = data[0] & 1;
    std::size_t piece = data[1] + 1u;
    std::string_view rest{reinterpret_cast<const char*>(data) + 2, size - 2};
    colinux::testing::FakeDebugTarget target;
    target.second_runs = data[0] & 2;
    target.stops = data[0] & 4;
    std::string sent;
    {
        GdbSession session{target, [&](const std::string& text) { sent += text; }};
        while (!rest.empty() && !session.over()) {
            std::size_t bytes = framed ? rest.find('\n') : piece;
            std::string_view part = rest.substr(0, bytes);
            session.received(framed ? part == "\x03" ? std::string{part} : frame(part) : std::string{part});
            rest.remove_prefix(std::min(rest.size(), part.size() + framed));
            if (data[0] & 8)
                target.trap = DebugTarget::Trap{data[0] & 128 ? 1u : 0u, true};
            session.look();
            session.let_others_go();
        }
    }
    check_sent(sent);
    check(target.history.back() == "let go" || target.history.back() == "kill");
    check(target.memory.size() == 4096);
    return 0;
}
