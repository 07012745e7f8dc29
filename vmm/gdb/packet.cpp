// SPDX-License-Identifier: GPL-2.0
#include "vmm/gdb/packet.hpp"

#include <charconv>

namespace colinux {

namespace {

constexpr char kInterrupt = 3, kEscape = '}', kEscapeBit = 0x20;
constexpr std::string_view kDigits = "0123456789abcdef";

int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

} // namespace

std::vector<PacketParser::Event> PacketParser::add(std::string_view bytes)
{
    std::vector<Event> events;
    for (char byte : bytes)
        if (auto event = next(byte))
            events.push_back(std::move(*event));
    return events;
}

std::optional<PacketParser::Event> PacketParser::between(char byte)
{
    if (byte == kInterrupt)
        return Event{Kind::Interrupt, {}};
    if (byte == '-')
        return Event{Kind::Again, {}};
    if (byte == '$') {
        state_ = State::Text;
        text_.clear();
        sum_ = 0;
        too_long_ = false;
    }
    return std::nullopt;
}

void PacketParser::text(char byte)
{
    sum_ = static_cast<std::uint8_t>(sum_ + static_cast<std::uint8_t>(byte));
    if (state_ == State::Text && byte == kEscape) {
        state_ = State::Escape;
        return;
    }
    if (state_ == State::Escape)
        byte = static_cast<char>(byte ^ kEscapeBit);
    state_ = State::Text;
    if (text_.size() == kMostPacketBytes)
        too_long_ = true;
    else
        text_.push_back(byte);
}

std::optional<PacketParser::Event> PacketParser::next(char byte)
{
    switch (state_) {
    case State::Between:
        return between(byte);
    case State::Text:
        if (byte == '$') // the rest of the packet before never came
            return between(byte);
        if (byte == '#') {
            state_ = State::FirstDigit;
            return std::nullopt;
        }
        text(byte);
        return std::nullopt;
    case State::Escape:
        text(byte);
        return std::nullopt;
    case State::FirstDigit:
        good_digits_ = digit(byte) >= 0;
        wanted_ = static_cast<std::uint8_t>((digit(byte) & 15) << 4);
        state_ = State::SecondDigit;
        return std::nullopt;
    case State::SecondDigit:
        good_digits_ = good_digits_ && digit(byte) >= 0;
        wanted_ = static_cast<std::uint8_t>(wanted_ | (digit(byte) & 15));
        state_ = State::Between;
        if (too_long_)
            return Event{Kind::TooLong, {}};
        if (!good_digits_ || wanted_ != sum_)
            return Event{Kind::Damaged, {}};
        return Event{Kind::Packet, std::move(text_)};
    }
    return std::nullopt;
}

std::string frame(std::string_view text)
{
    std::string packet{'$'};
    std::uint8_t sum = 0;
    auto put = [&](char byte) {
        packet.push_back(byte);
        sum = static_cast<std::uint8_t>(sum + static_cast<std::uint8_t>(byte));
    };
    for (char byte : text) {
        if (byte == '#' || byte == '$' || byte == kEscape || byte == '*') {
            put(kEscape);
            byte = static_cast<char>(byte ^ kEscapeBit);
        }
        put(byte);
    }
    packet += {'#', kDigits[sum >> 4], kDigits[sum & 15]};
    return packet;
}

std::string to_hex(std::string_view bytes)
{
    std::string text;
    for (char byte : bytes)
        text += {kDigits[static_cast<std::uint8_t>(byte) >> 4], kDigits[static_cast<std::uint8_t>(byte) & 15]};
    return text;
}

std::string number_to_hex(std::uint64_t number)
{
    char text[16];
    return {text, std::to_chars(text, text + sizeof text, number, 16).ptr};
}

std::optional<std::string> from_hex(std::string_view text)
{
    if (text.size() % 2 != 0)
        return std::nullopt;
    std::string bytes;
    for (std::size_t i = 0; i < text.size(); i += 2) {
        int high = digit(text[i]), low = digit(text[i + 1]);
        if (high < 0 || low < 0)
            return std::nullopt;
        bytes.push_back(static_cast<char>(high << 4 | low));
    }
    return bytes;
}

std::optional<std::uint64_t> number_from_hex(std::string_view text)
{
    std::uint64_t number{};
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, 16);
    if (error != std::errc{} || end != text.data() + text.size())
        return std::nullopt;
    return number;
}

} // namespace colinux
