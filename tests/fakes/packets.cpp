// SPDX-License-Identifier: GPL-2.0
// Frames put together by hand (RFC 826, 791, 768, 793, 2131).
#include "tests/fakes/packets.hpp"

#include <arpa/inet.h>

namespace colinux::packets {
namespace {

constexpr std::size_t kIp = 14, kTransport = 34; // offsets in a frame without IP options

std::string u16(unsigned value) { return {static_cast<char>(value >> 8), static_cast<char>(value)}; }
std::string u32(std::uint32_t value) { return u16(value >> 16) + u16(value & 0xffff); }

unsigned get16(const std::string& text, std::size_t at)
{
    return static_cast<std::uint8_t>(text.at(at)) << 8 | static_cast<std::uint8_t>(text.at(at + 1));
}
std::uint32_t get32(const std::string& text, std::size_t at) { return get16(text, at) << 16 | get16(text, at + 2); }

std::string checksum(std::string text)
{
    if (text.size() % 2)
        text += '\0';
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < text.size(); i += 2)
        sum += get16(text, i);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return u16(~sum & 0xffff);
}

std::string ip(const std::string& from_mac, const std::string& to_mac, std::uint32_t from, std::uint32_t to,
               std::uint8_t protocol, const std::string& payload)
{
    std::string header = std::string{"\x45\0", 2} + u16(static_cast<unsigned>(20 + payload.size())) + u32(0) +
                         std::string{64, static_cast<char>(protocol)} + u16(0) + u32(from) + u32(to);
    header.replace(10, 2, checksum(header));
    return to_mac + from_mac + u16(0x0800) + header + payload;
}

std::string pseudo_header(std::uint32_t from, std::uint32_t to, std::uint8_t protocol, std::size_t bytes)
{
    return u32(from) + u32(to) + u16(protocol) + u16(static_cast<unsigned>(bytes));
}

std::string arp(unsigned operation, const std::string& mac, std::uint32_t from, const std::string& to_mac, std::uint32_t to)
{
    return u16(0x0806) + u16(1) + u16(0x0800) + std::string{6, 4} + u16(operation) + mac + u32(from) + to_mac + u32(to);
}

std::string ip6(const std::string& from_mac, const std::string& to_mac, const std::string& from, const std::string& to,
                std::uint8_t protocol, const std::string& payload)
{
    return to_mac + from_mac + u16(0x86dd) + u32(0x60000000) + u16(static_cast<unsigned>(payload.size())) +
           std::string{static_cast<char>(protocol), '\xff'} + from + to + payload;
}

std::string checksum6(const std::string& from, const std::string& to, std::uint8_t protocol, const std::string& payload)
{
    return checksum(from + to + u32(static_cast<std::uint32_t>(payload.size())) + u32(protocol) + payload);
}

} // namespace

std::string arp_request(const std::string& mac, std::uint32_t from, std::uint32_t wanted)
{
    return std::string(6, '\xff') + mac + arp(1, mac, from, std::string(6, '\0'), wanted);
}

bool is_arp_request(const std::string& frame)
{
    return frame.size() >= 42 && get16(frame, 12) == 0x0806 && get16(frame, 20) == 1;
}

bool is_arp_reply(const std::string& frame)
{
    return frame.size() >= 42 && get16(frame, 12) == 0x0806 && get16(frame, 20) == 2;
}

std::string arp_reply(const std::string& request, const std::string& mac)
{
    return sender(request) + mac + arp(2, mac, get32(request, 38), sender(request), get32(request, 28));
}

std::string dhcp(const std::string& mac, std::uint8_t kind)
{
    std::string message = std::string{"\x01\x01\x06\0", 4} + u32(0x1234) + std::string(20, '\0') + mac +
                          std::string(10 + 192, '\0') + u32(0x63825363) + std::string{53, 1, static_cast<char>(kind)};
    if (kind == 3)
        message += std::string{50, 4} + u32(kGuest);
    message += '\xff';
    message.resize(300);
    std::string udp = u16(68) + u16(67) + u16(static_cast<unsigned>(8 + message.size())) + u16(0) + message;
    return ip(mac, std::string(6, '\xff'), 0, 0xffffffff, 17, udp);
}

std::uint8_t dhcp_answer(const std::string& frame, std::uint32_t& address)
{
    constexpr std::size_t kMessage = kTransport + 8, kOptions = kMessage + 240;
    if (frame.size() < kOptions + 3 || frame[kIp + 9] != 17 || get16(frame, kTransport + 2) != 68)
        return 0;
    address = get32(frame, kMessage + 16);
    return frame[kOptions] == 53 ? static_cast<std::uint8_t>(frame[kOptions + 2]) : 0;
}

std::string tcp(const std::string& from_mac, const std::string& to_mac, const Tcp& segment)
{
    std::string text = u16(segment.from_port) + u16(segment.to_port) + u32(segment.sequence) +
                       u32(segment.acknowledgement) + std::string{0x50, static_cast<char>(segment.flags)} + u16(65535) +
                       u32(0) + segment.data;
    text.replace(16, 2, checksum(pseudo_header(segment.from_address, segment.to_address, 6, text.size()) + text));
    return ip(from_mac, to_mac, segment.from_address, segment.to_address, 6, text);
}

bool parse_tcp(const std::string& frame, Tcp& segment)
{
    if (frame.size() < kTransport + 20 || get16(frame, 12) != 0x0800 || frame[kIp + 9] != 6)
        return false;
    std::size_t end = kIp + get16(frame, kIp + 2);
    std::size_t data = kTransport + (static_cast<std::uint8_t>(frame[kTransport + 12]) >> 4) * 4u;
    segment = {.from_address = get32(frame, kIp + 12),
               .to_address = get32(frame, kIp + 16),
               .from_port = static_cast<std::uint16_t>(get16(frame, kTransport)),
               .to_port = static_cast<std::uint16_t>(get16(frame, kTransport + 2)),
               .sequence = get32(frame, kTransport + 4),
               .acknowledgement = get32(frame, kTransport + 8),
               .flags = static_cast<std::uint8_t>(frame[kTransport + 13]),
               .data = frame.substr(data, end - data)};
    return true;
}

std::string udp(const std::string& from_mac, const std::string& to_mac, const Udp& datagram)
{
    std::string text = u16(datagram.from_port) + u16(datagram.to_port) + u16(static_cast<unsigned>(8 + datagram.data.size())) + u16(0) +
                       datagram.data;
    text.replace(6, 2, checksum(pseudo_header(datagram.from_address, datagram.to_address, 17, text.size()) + text));
    return ip(from_mac, to_mac, datagram.from_address, datagram.to_address, 17, text);
}

bool parse_udp(const std::string& frame, Udp& datagram)
{
    if (frame.size() < kTransport + 8 || get16(frame, 12) != 0x0800 || frame[kIp + 9] != 17)
        return false;
    std::string text = frame.substr(kTransport, get16(frame, kTransport + 4));
    datagram = {get32(frame, kIp + 12), get32(frame, kIp + 16), static_cast<std::uint16_t>(get16(text, 0)),
                static_cast<std::uint16_t>(get16(text, 2)), text.substr(8)};
    bool summed = get16(text, 6) == 0 ||
                  checksum(pseudo_header(datagram.from_address, datagram.to_address, 17, text.size()) + text) == u16(0);
    return checksum(frame.substr(kIp, 20)) == u16(0) && summed;
}

std::string echo_request(const std::string& from_mac, const std::string& to_mac, std::uint32_t to, const std::string& data)
{
    std::string text = u16(0x0800) + u16(0) + u16(7) + u16(1) + data;
    text.replace(2, 2, checksum(text));
    return ip(from_mac, to_mac, kGuest, to, 1, text);
}

bool is_echo_reply(const std::string& frame, std::uint32_t from, const std::string& data)
{
    return frame.size() >= kTransport + 8 + data.size() && get16(frame, 12) == 0x0800 && frame[kIp + 9] == 1 && get32(frame, kIp + 12) == from &&
           frame[kTransport] == 0 && frame.substr(kTransport + 8, data.size()) == data;
}

std::string ip6_address(const char* text)
{
    std::string address(16, '\0');
    inet_pton(AF_INET6, text, address.data());
    return address;
}

std::string tcp6_syn(const std::string& from_mac, const std::string& to_mac, const std::string& from, const std::string& to, std::uint16_t port)
{
    std::string text = u16(40000) + u16(port) + u32(1000) + u32(0) + std::string{0x50, kSyn} + u16(65535) + u32(0);
    text.replace(16, 2, checksum6(from, to, 6, text));
    return ip6(from_mac, to_mac, from, to, 6, text);
}

std::string router_solicitation(const std::string& mac)
{
    std::string from = ip6_address("fe80::1234"), to = ip6_address("ff02::2"), text = u16(133 << 8) + u16(0) + u32(0);
    text.replace(2, 2, checksum6(from, to, 58, text));
    return ip6(mac, {"\x33\x33\0\0\0\2", 6}, from, to, 58, text);
}

bool is_router_advertisement(const std::string& frame, const std::string& prefix)
{
    constexpr std::size_t kIcmp = 14 + 40;
    return frame.size() > kIcmp + 16 && get16(frame, 12) == 0x86dd && frame[20] == 58 && static_cast<std::uint8_t>(frame[kIcmp]) == 134 &&
           frame.find(std::string{"\3\4\x40", 3}, kIcmp) != std::string::npos && frame.find(prefix, kIcmp) != std::string::npos;
}

} // namespace colinux::packets
