// SPDX-License-Identifier: GPL-2.0
#include "vmm/gdb/gdb_session.hpp"

#include <algorithm>

namespace colinux {

namespace {

constexpr int kTrapSignal = 5, kInterruptSignal = 2; // gdb's numbers
constexpr std::size_t kMostMemoryBytes = PacketParser::kMostPacketBytes / 2 - 64;
constexpr std::string_view kOk = "OK", kBadPacket = "E.bad packet";

struct Place {
    std::uint64_t address;
    std::size_t bytes;
};

// "ADDRESS,LENGTH"
std::optional<Place> place_in(std::string_view text)
{
    std::size_t comma = text.find(',');
    if (comma == std::string_view::npos)
        return std::nullopt;
    auto address = number_from_hex(text.substr(0, comma)), bytes = number_from_hex(text.substr(comma + 1));
    if (!address || !bytes)
        return std::nullopt;
    return Place{*address, *bytes};
}

std::string thread_of(unsigned cpu) { return number_to_hex(cpu + 1); }

} // namespace

struct GdbSession::Word {
    std::string_view prefix;
    std::string (GdbSession::*handler)(std::string_view rest);
};

GdbSession::GdbSession(DebugTarget& target, Send send) : target_{target}, send_{std::move(send)}, signal_{kTrapSignal}
{
    target_.stop();
}

GdbSession::~GdbSession()
{
    if (!gone_)
        target_.let_go();
}

void GdbSession::received(std::string_view bytes)
{
    for (const PacketParser::Event& event : parser_.add(bytes)) {
        if (over_)
            return;
        switch (event.kind) {
        case PacketParser::Kind::Packet: packet(event.text); break;
        case PacketParser::Kind::Damaged: send_("-"); break;
        case PacketParser::Kind::TooLong: over_ = true; break;
        case PacketParser::Kind::Again: send_(last_packet_); break;
        case PacketParser::Kind::Interrupt: interrupted(); break;
        }
    }
}

void GdbSession::packet(const std::string& text)
{
    if (acknowledges_)
        send_("+");
    if (running_)
        return answer(error("the guest runs"));
    std::string reply = dispatch(text);
    if (running_)
        return look(); // its stop is the answer; it may have stopped already
    if (!(gone_ && reply.empty()))
        answer(std::move(reply));
}

void GdbSession::answer(std::string text)
{
    last_packet_ = frame(text);
    send_(last_packet_);
}

void GdbSession::say(const std::string& text)
{
    if (!text.empty())
        answer("O" + to_hex(text + "\n"));
}

// "E.text": gdb prints the text
std::string GdbSession::error(std::string_view why) const { return "E." + std::string{why}; }

std::string GdbSession::dispatch(std::string_view text)
{
    static constexpr Word kWords[] = {
        {"qSupported", &GdbSession::supported},
        {"QStartNoAckMode", &GdbSession::no_acknowledgements},
        {"qXfer:features:read:target.xml:", &GdbSession::description},
        {"qfThreadInfo", &GdbSession::first_threads},
        {"qThreadExtraInfo,", &GdbSession::thread_name},
        {"qRcmd,", &GdbSession::monitor},
        {"vCont;", &GdbSession::resume},
        {"vKill", &GdbSession::kill},
        {"H", &GdbSession::select},
        {"T", &GdbSession::is_alive},
        {"g", &GdbSession::read_all_registers},
        {"G", &GdbSession::write_all_registers},
        {"p", &GdbSession::read_register},
        {"P", &GdbSession::write_register},
        {"m", &GdbSession::read_memory},
        {"M", &GdbSession::write_memory},
        {"X", &GdbSession::write_binary},
        {"Z0,", &GdbSession::insert},
        {"z0,", &GdbSession::remove},
        {"D", &GdbSession::detach},
        {"k", &GdbSession::kill},
    };
    static constexpr std::pair<std::string_view, std::string_view> kConstant[] = {
        {"qsThreadInfo", "l"}, {"qAttached", "1"}, {"vCont?", "vCont;c;C;s;S;t"}, {"qOffsets", "Text=0;Data=0;Bss=0"}, {"qSymbol::", "OK"}};
    for (const auto& [packet, reply] : kConstant)
        if (text == packet)
            return std::string{reply};
    if (text == "?")
        return stop_reply();
    if (text == "qC")
        return "QC" + thread_of(cpu_);
    if (text == "c" || text == "s")
        return resume_one(text == "c" ? DebugTarget::Go::Continue : DebugTarget::Go::Step, {});
    for (const Word& word : kWords)
        if (text.starts_with(word.prefix))
            return (this->*word.handler)(text.substr(word.prefix.size()));
    return {}; // not supported
}

// ---- stopping and going -------------------------------------------------------------------------------------

std::string GdbSession::stop_reply() const
{
    std::string reply = "T" + to_hex({reinterpret_cast<const char*>(&signal_), 1});
    if (at_breakpoint_ && knows_swbreak_)
        reply += "swbreak:;";
    return reply + "thread:" + thread_of(stopped_cpu_) + ";";
}

// All of the guest, because of that CPU; without one because gdb wants it.
void GdbSession::stopped(std::optional<DebugTarget::Trap> trap)
{
    steps_alone_ = false;
    if (!target_.stop())
        say("colinux: not every CPU could be stopped; what is shown of that one is old");
    running_ = false;
    signal_ = trap ? kTrapSignal : kInterruptSignal;
    at_breakpoint_ = trap && trap->breakpoint;
    if (trap)
        stopped_cpu_ = trap->cpu;
    else if (!target_.runs(stopped_cpu_))
        stopped_cpu_ = 0;
    cpu_ = stopped_cpu_;
    answer(stop_reply());
}

void GdbSession::interrupted()
{
    if (running_)
        stopped(std::nullopt);
}

void GdbSession::look()
{
    std::optional<DebugTarget::Trap> trap = target_.take_trap();
    if (trap && running_)
        stopped(trap);
}

void GdbSession::guest_ended(int code)
{
    if (running_)
        answer("W" + to_hex(std::string{static_cast<char>(code)}));
    over_ = true;
}

std::string GdbSession::go(const std::vector<DebugTarget::Go>& how)
{
    using Go = DebugTarget::Go;
    target_.take_trap(); // of a CPU that stopped while the guest was being stopped: it will do so again
    running_ = true;
    how_ = how;
    auto held = [&](unsigned cpu) { return how[cpu] == Go::Hold && target_.runs(cpu); };
    bool holds = false;
    for (unsigned cpu = 0; cpu < how.size(); cpu++)
        holds = holds || held(cpu);
    steps_alone_ = holds && std::ranges::count(how, Go::Step) > 0;
    say(target_.go(how));
    return {};
}

void GdbSession::let_others_go()
{
    if (!steps_alone_)
        return;
    steps_alone_ = false;
    for (DebugTarget::Go& one : how_)
        one = one == DebugTarget::Go::Hold ? DebugTarget::Go::Continue : DebugTarget::Go::Hold; // those that go, go
    target_.go(how_);
}

std::string GdbSession::resume(std::string_view rest)
{
    using Go = DebugTarget::Go;
    std::vector<Go> how(target_.cpus(), Go::Hold);
    std::vector<bool> told(how.size()); // the first action that fits a thread counts
    for (bool more = true; more;) {
        std::size_t end = rest.find(';');
        more = end != std::string_view::npos;
        std::string_view action = rest.substr(0, end);
        rest.remove_prefix(more ? end + 1 : rest.size());
        std::size_t colon = action.find(':');
        std::string_view thread = colon == std::string_view::npos ? "-1" : action.substr(colon + 1);
        std::optional<unsigned> one = cpu_of(thread);
        if (action.empty() || std::string_view{"cCsSt"}.find(action[0]) == std::string_view::npos || (!one && thread != "-1"))
            return std::string{kBadPacket};
        Go go = action[0] == 't' ? Go::Hold : (action[0] | 0x20) == 's' ? Go::Step : Go::Continue;
        for (unsigned cpu = 0; cpu < how.size(); cpu++) {
            if (told[cpu] || (one && *one != cpu))
                continue;
            told[cpu] = true;
            how[cpu] = go == Go::Step && !target_.runs(cpu) ? Go::Continue : go;
        }
    }
    if (std::ranges::count(how, Go::Hold) == static_cast<std::ptrdiff_t>(how.size()))
        return std::string{kBadPacket};
    return go(how);
}

std::string GdbSession::resume_one(DebugTarget::Go how, std::string_view)
{
    bool step = how == DebugTarget::Go::Step;
    std::vector<DebugTarget::Go> all(target_.cpus(), step ? DebugTarget::Go::Hold : DebugTarget::Go::Continue);
    all[cpu_] = how;
    return go(all);
}

std::string GdbSession::detach(std::string_view)
{
    target_.let_go();
    gone_ = over_ = true;
    return std::string{kOk};
}

std::string GdbSession::kill(std::string_view rest)
{
    gone_ = over_ = true;
    target_.kill();
    return rest.empty() ? "" : std::string{kOk}; // `k` has no answer, `vKill;PID` has
}

// ---- what it can do, threads --------------------------------------------------------------------------------

std::string GdbSession::supported(std::string_view rest)
{
    knows_swbreak_ = rest.find("swbreak+") != std::string_view::npos;
    return "PacketSize=" + number_to_hex(PacketParser::kMostPacketBytes) +
           ";QStartNoAckMode+;qXfer:features:read+;vContSupported+;swbreak+";
}

std::string GdbSession::no_acknowledgements(std::string_view)
{
    acknowledges_ = false;
    return std::string{kOk};
}

std::string GdbSession::description(std::string_view rest)
{
    std::optional<Place> part = place_in(rest);
    std::string xml = target_description();
    if (!part || part->address > xml.size())
        return std::string{kBadPacket};
    std::size_t most = std::min(part->bytes, kMostMemoryBytes);
    bool last = xml.size() - part->address <= most;
    return (last ? "l" : "m") + xml.substr(part->address, most);
}

std::optional<unsigned> GdbSession::cpu_of(std::string_view thread) const
{
    std::optional<std::uint64_t> number = number_from_hex(thread);
    if (!number || *number == 0 || *number > target_.cpus() || !target_.runs(static_cast<unsigned>(*number - 1)))
        return std::nullopt;
    return static_cast<unsigned>(*number - 1);
}

std::string GdbSession::first_threads(std::string_view)
{
    std::string list;
    for (unsigned cpu = 0; cpu < target_.cpus(); cpu++)
        if (target_.runs(cpu))
            list += (list.empty() ? "m" : ",") + thread_of(cpu);
    return list.empty() ? "l" : list;
}

std::string GdbSession::thread_name(std::string_view rest)
{
    std::optional<unsigned> cpu = cpu_of(rest);
    return cpu ? to_hex(target_.about(*cpu)) : error("no such CPU");
}

std::string GdbSession::monitor(std::string_view rest)
{
    std::optional<std::string> command = from_hex(rest);
    if (!command)
        return std::string{kBadPacket};
    std::string text = target_.monitor(cpu_, *command).substr(0, kMostMemoryBytes);
    return text.empty() ? std::string{kOk} : to_hex(text + "\n");
}

std::string GdbSession::select(std::string_view rest)
{
    if (rest.empty())
        return std::string{kBadPacket};
    std::string_view thread = rest.substr(1);
    if (thread == "0" || thread == "-1") {
        cpu_ = stopped_cpu_;
        return std::string{kOk};
    }
    std::optional<unsigned> cpu = cpu_of(thread);
    if (!cpu)
        return error("no such CPU");
    cpu_ = *cpu;
    return std::string{kOk};
}

std::string GdbSession::is_alive(std::string_view rest) { return cpu_of(rest) ? std::string{kOk} : error("no such CPU"); }

// ---- registers and memory -----------------------------------------------------------------------------------

std::string GdbSession::read_all_registers(std::string_view) { return target_.registers(cpu_).all_hex(); }

std::string GdbSession::write_all_registers(std::string_view rest)
{
    Registers registers = target_.registers(cpu_);
    if (!registers.set_all_hex(rest))
        return std::string{kBadPacket};
    std::string why = target_.set_registers(cpu_, registers);
    return why.empty() ? std::string{kOk} : error(why);
}

std::string GdbSession::read_register(std::string_view rest)
{
    std::optional<std::uint64_t> which = number_from_hex(rest);
    return which && *which < kRegisters ? target_.registers(cpu_).hex(static_cast<Register>(*which)) : std::string{kBadPacket};
}

std::string GdbSession::write_register(std::string_view rest)
{
    std::size_t equals = rest.find('=');
    std::optional<std::uint64_t> number = number_from_hex(rest.substr(0, equals));
    if (equals == std::string_view::npos || !number || *number >= kRegisters)
        return std::string{kBadPacket};
    auto which = static_cast<Register>(*number);
    Registers registers = target_.registers(cpu_);
    if (!registers[which])
        return error("this register is not known here");
    if (!registers.set_hex(which, rest.substr(equals + 1)))
        return std::string{kBadPacket};
    std::string why = target_.set_registers(cpu_, registers);
    return why.empty() ? std::string{kOk} : error(why);
}

std::string GdbSession::read_memory(std::string_view rest)
{
    std::optional<Place> place = place_in(rest);
    if (!place)
        return std::string{kBadPacket};
    std::string bytes = target_.read(cpu_, place->address, std::min(place->bytes, kMostMemoryBytes));
    return bytes.empty() && place->bytes > 0 ? "E14" : to_hex(bytes);
}

std::string GdbSession::write_memory(std::string_view rest)
{
    std::size_t colon = rest.find(':');
    std::optional<Place> place = place_in(rest.substr(0, colon));
    std::optional<std::string> bytes = colon == std::string_view::npos ? std::nullopt : from_hex(rest.substr(colon + 1));
    if (!place || !bytes || bytes->size() != place->bytes)
        return std::string{kBadPacket};
    return bytes->empty() || target_.write(cpu_, place->address, *bytes) ? std::string{kOk} : "E14";
}

std::string GdbSession::write_binary(std::string_view rest)
{
    std::size_t colon = rest.find(':');
    std::optional<Place> place = place_in(rest.substr(0, colon));
    if (!place || colon == std::string_view::npos || rest.size() - colon - 1 != place->bytes)
        return std::string{kBadPacket};
    return place->bytes == 0 || target_.write(cpu_, place->address, rest.substr(colon + 1)) ? std::string{kOk} : "E14";
}

std::string GdbSession::insert(std::string_view rest)
{
    std::optional<Place> place = place_in(rest.substr(0, rest.find(';')));
    if (!place)
        return std::string{kBadPacket};
    std::string why = target_.insert(cpu_, place->address);
    return why.empty() ? std::string{kOk} : error(why);
}

std::string GdbSession::remove(std::string_view rest)
{
    std::optional<Place> place = place_in(rest);
    if (!place)
        return std::string{kBadPacket};
    target_.remove(place->address);
    return std::string{kOk};
}

} // namespace colinux
