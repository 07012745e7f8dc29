// SPDX-License-Identifier: GPL-2.0
// The framing of gdb's remote serial protocol ("Debugging with gdb", appendix E.1): `$TEXT#CC` with a checksum in two
// hexadecimal digits, between packets `+`, `-` and the byte 3 for Ctrl-C. What comes in is anybody's: the parser
// holds at most one packet of kMostPacketBytes and throws nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace colinux {

class PacketParser {
public:
    static constexpr std::size_t kMostPacketBytes = 16384;

    enum class Kind {
        Packet,    // text: without frame and escapes
        Damaged,   // checksum wrong: to be asked for again
        TooLong,   // likewise not kept; nothing sensible can follow
        Again,     // '-': the other side wants the last packet once more
        Interrupt, // Ctrl-C
    };
    struct Event {
        Kind kind;
        std::string text;
    };

    // Each byte belongs to what came before it, whatever the pieces. '+' and stray bytes say nothing.
    std::vector<Event> add(std::string_view bytes);

private:
    enum class State { Between, Text, Escape, FirstDigit, SecondDigit };

    std::optional<Event> next(char byte);
    std::optional<Event> between(char byte);
    void text(char byte);

    State state_{State::Between};
    std::string text_;
    std::uint8_t sum_{}, wanted_{};
    bool good_digits_{}, too_long_{};
};

// `$TEXT#CC`, with '#', '$', '}' and '*' escaped.
std::string frame(std::string_view text);

// Hexadecimal text of the protocol: two digits a byte, or a number without leading zeros.
std::string to_hex(std::string_view bytes);
std::string number_to_hex(std::uint64_t number);
std::optional<std::string> from_hex(std::string_view text);             // nothing: odd or no hexadecimal
std::optional<std::uint64_t> number_from_hex(std::string_view text);    // nothing: empty, no hexadecimal, more than 64 bits

} // namespace colinux
