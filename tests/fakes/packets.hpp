// SPDX-License-Identifier: GPL-2.0
// Ethernet frames as a guest would send them: ARP, IPv4, UDP, TCP, DHCP; just enough to talk to
// libslirp's virtual hosts. Frames are byte strings, addresses and ports in host byte order.
#pragma once

#include <cstdint>
#include <string>

namespace colinux::packets {

inline constexpr std::uint32_t kGuest = 0x0a00020f;   // 10.0.2.15
inline constexpr std::uint32_t kGateway = 0x0a000202; // 10.0.2.2

struct Tcp {
    std::uint32_t from_address, to_address;
    std::uint16_t from_port, to_port;
    std::uint32_t sequence, acknowledgement;
    std::uint8_t flags;
    std::string data;
};
inline constexpr std::uint8_t kFin = 1, kSyn = 2, kReset = 4, kPush = 8, kAck = 16;

std::string arp_request(const std::string& mac, std::uint32_t from, std::uint32_t wanted);
bool is_arp_request(const std::string& frame);
bool is_arp_reply(const std::string& frame);
std::string arp_reply(const std::string& request, const std::string& mac);
// `kind`: 1 = DISCOVER, 3 = REQUEST (of kGuest).
std::string dhcp(const std::string& mac, std::uint8_t kind);
// 2 = OFFER, 5 = ACK, 0 = not DHCP at all; the offered address in `address`.
std::uint8_t dhcp_answer(const std::string& frame, std::uint32_t& address);
std::string tcp(const std::string& from_mac, const std::string& to_mac, const Tcp& segment);
// False when the frame is not TCP.
bool parse_tcp(const std::string& frame, Tcp& segment);
struct Udp {
    std::uint32_t from_address, to_address;
    std::uint16_t from_port, to_port;
    std::string data;
};
std::string udp(const std::string& from_mac, const std::string& to_mac, const Udp& datagram);
bool parse_udp(const std::string& frame, Udp& datagram); // checks both checksums, too
std::string echo_request(const std::string& from_mac, const std::string& to_mac, std::uint32_t to, const std::string& data);
bool is_echo_reply(const std::string& frame, std::uint32_t from, const std::string& data);

// IPv6; addresses are 16 bytes in network order.
std::string ip6_address(const char* text);
std::string tcp6_syn(const std::string& from_mac, const std::string& to_mac, const std::string& from, const std::string& to,
                     std::uint16_t port);
std::string router_solicitation(const std::string& mac);
bool is_router_advertisement(const std::string& frame, const std::string& prefix); // of that /64

// MAC address that sent the frame.
inline std::string sender(const std::string& frame) { return frame.substr(6, 6); }

} // namespace colinux::packets
