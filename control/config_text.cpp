// SPDX-License-Identifier: GPL-2.0
#include "control/config_text.hpp"

#include "control/failure.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <vector>

namespace colinux {

namespace {

[[noreturn]] void refuse(std::string_view what, std::string_view text, std::string_view expected)
{
    throw Failure{ExitCode::Usage, std::string{what} + " '" + std::string{text} + "': " + std::string{expected}};
}

template <typename Number>
std::optional<Number> whole_number(std::string_view text)
{
    Number number{};
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size())
        return std::nullopt;
    return number;
}

std::vector<std::string_view> split(std::string_view text, char separator)
{
    std::vector<std::string_view> parts;
    for (;;) {
        std::size_t at = text.find(separator);
        parts.push_back(text.substr(0, at));
        if (at == std::string_view::npos)
            return parts;
        text.remove_prefix(at + 1);
    }
}

constexpr std::string_view kUnits = "KMGT";
constexpr std::array<std::string_view, 3> kActions{"kill", "dump", "report"}; // as WatchdogConfig::Action
constexpr std::uint32_t kLongestWatch = 86'400;                               // a day
constexpr std::string_view kForwardExample =
    "expected forward=tcp:[ADDRESS:]HOST_PORT:GUEST_PORT, for example forward=tcp:8080:80 or forward=tcp:0.0.0.0:8080:80";

PortForward parse_forward(std::string_view text)
{
    auto parts = split(text, ':');
    if (parts.size() < 3 || parts.size() > 4 || (parts[0] != "tcp" && parts[0] != "udp"))
        refuse("forward", text, kForwardExample);
    auto host = whole_number<std::uint16_t>(parts[parts.size() - 2]);
    auto guest = whole_number<std::uint16_t>(parts.back());
    if (!host || !guest || *host == 0 || *guest == 0)
        refuse("forward", text, "a port is a number from 1 to 65535");
    PortForward forward{parts[0] == "udp", *host, *guest};
    if (parts.size() == 4)
        forward.address = parse_address(parts[1]);
    return forward;
}

} // namespace

std::uint64_t parse_size(std::string_view text)
{
    constexpr std::string_view expected = "expected a number with K, M, G or T, for example 512M or 2G";
    std::string_view digits = text;
    unsigned shift = 0;
    if (!digits.empty()) {
        std::size_t unit = kUnits.find(static_cast<char>(digits.back() & ~0x20));
        if (unit != std::string_view::npos) {
            shift = 10 * (static_cast<unsigned>(unit) + 1);
            digits.remove_suffix(1);
        }
    }
    auto number = whole_number<std::uint64_t>(digits);
    if (!number)
        refuse("size", text, expected);
    if (*number > (~std::uint64_t{0} >> shift))
        refuse("size", text, "too large");
    return *number << shift;
}

std::string size_text(std::uint64_t bytes)
{
    std::size_t unit = 0;
    while (bytes != 0 && bytes % 1024 == 0 && unit < kUnits.size()) {
        bytes /= 1024;
        unit++;
    }
    return std::to_string(bytes) + (unit ? std::string{kUnits[unit - 1]} : "");
}

DiskConfig parse_disk(std::string_view text)
{
    constexpr std::string_view partition = "partition=", format = "format=";
    DiskConfig disk;
    std::string_view path = text;
    // Options stand last: a comma may be part of the file's name
    for (std::size_t comma; (comma = path.rfind(',')) != std::string_view::npos; path = path.substr(0, comma)) {
        std::string_view option = path.substr(comma + 1);
        if (option == "ro") {
            disk.read_only = true;
        } else if (option == "snapshot") {
            disk.snapshot = true;
        } else if (option.starts_with(format)) {
            if (option != "format=raw")
                refuse("disk", text, "only format=raw; convert another: qemu-img convert -O raw OLD NEW");
            disk.raw = true;
        } else if (option.starts_with(partition)) {
            auto number = whole_number<unsigned>(option.substr(partition.size()));
            if (!number || *number == 0)
                refuse("disk", text, "a partition is a number from 1 on");
            disk.partition = *number;
        } else {
            break;
        }
    }
    disk.path = path;
    if (disk.path.empty())
        refuse("disk", text, "expected FILE[,ro][,snapshot][,partition=N][,format=raw]");
    return disk;
}

std::string disk_text(const DiskConfig& disk)
{
    return disk.path + (disk.read_only ? ",ro" : "") + (disk.snapshot ? ",snapshot" : "") + (disk.partition ? ",partition=" + std::to_string(disk.partition) : "") +
           (disk.raw ? ",format=raw" : "");
}

NetConfig parse_net(std::string_view text)
{
    constexpr std::string_view expected = "expected slirp[,net=A.B.C.0/24][,host-loopback=on][,forward=tcp:HOST_PORT:GUEST_PORT]..., tap=INTERFACE or none";
    constexpr std::string_view forward = "forward=", subnet = "net=", loopback = "host-loopback=", tap = "tap=";
    NetConfig net;
    if (text.starts_with(tap) && text.size() > tap.size()) {
        net.tap = text.substr(tap.size());
        return net;
    }
    auto parts = split(text, ',');
    if (parts[0] != "slirp")
        refuse("net", text, expected);
    parts.erase(parts.begin());
    for (std::string_view part : parts) {
        if (part.starts_with(forward))
            net.forwards.push_back(parse_forward(part.substr(forward.size())));
        else if (part.starts_with(subnet))
            net.subnet = parse_subnet(part.substr(subnet.size()));
        else if (part == "host-loopback=on" || part == "host-loopback=off")
            net.host_loopback = part.ends_with("on");
        else
            refuse("net option", part, part.starts_with(loopback) ? "expected on or off" : expected);
    }
    return net;
}

std::uint32_t parse_address(std::string_view text)
{
    in_addr address{};
    if (inet_pton(AF_INET, std::string{text}.c_str(), &address) != 1 || text.find('\0') != std::string_view::npos)
        refuse("address", text, "expected an IPv4 address, for example 127.0.0.1, or 0.0.0.0 for all of the host's");
    return ntohl(address.s_addr);
}

std::string address_text(std::uint32_t address)
{
    in_addr raw{htonl(address)};
    char text[INET_ADDRSTRLEN];
    return inet_ntop(AF_INET, &raw, text, sizeof text);
}

Subnet parse_subnet(std::string_view text)
{
    std::size_t slash = std::min(text.find('/'), text.size());
    auto prefix = whole_number<unsigned>(text.substr(std::min(slash + 1, text.size())));
    if (!prefix || *prefix < 8 || *prefix > 27)
        refuse("net", text, "expected a network with 8 to 27 bits, for example 10.0.2.0/24");
    Subnet subnet{parse_address(text.substr(0, slash)), *prefix};
    std::uint32_t network = subnet.address & ~std::uint32_t{0} << (32 - *prefix), first = network >> 24;
    if (network != subnet.address)
        refuse("net", text, "this is an address in the network " + subnet_text({network, *prefix}));
    if (first == 0 || first == 127 || first >= 224)
        refuse("net", text, "no network for hosts: take a private one, for example 10.0.2.0/24");
    return subnet;
}

std::string subnet_text(const Subnet& subnet) { return address_text(subnet.address) + "/" + std::to_string(subnet.prefix); }

WatchdogConfig parse_watchdog(std::string_view text)
{
    auto parts = split(text, ',');
    auto seconds = whole_number<std::uint32_t>(parts[0]);
    auto action = parts.size() == 1 ? kActions.begin() : std::ranges::find(kActions, parts[1]);
    if (parts.size() > 2 || !seconds || *seconds == 0 || *seconds > kLongestWatch || action == kActions.end())
        refuse("watchdog", text, "expected SECONDS[,kill|dump|report], for example 30 or 30,report");
    return {*seconds, static_cast<WatchdogConfig::Action>(action - kActions.begin())};
}

std::string watchdog_text(const WatchdogConfig& watchdog)
{
    return std::to_string(watchdog.seconds) + "," + std::string{kActions[static_cast<std::size_t>(watchdog.action)]};
}

GdbConfig parse_gdb(std::string_view text)
{
    auto parts = split(text, ',');
    auto port = whole_number<std::uint16_t>(parts[0]);
    if (parts.size() > 2 || !port || *port == 0 || (parts.size() == 2 && parts[1] != "wait"))
        refuse("gdb", text, "expected PORT[,wait], for example 1234 or 1234,wait");
    return {*port, parts.size() == 2};
}

std::string gdb_text(const GdbConfig& gdb) { return std::to_string(gdb.port) + (gdb.wait ? ",wait" : ""); }

void check_name(std::string_view name)
{
    auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
    bool good = !name.empty() && name.size() <= 48 && plain(name[0]) &&
                std::ranges::all_of(name, [&](char c) { return plain(c) || c == '.' || c == '_' || c == '-'; });
    if (!good)
        refuse("name", name, "expected 1 to 48 letters, digits, '.', '_' or '-', beginning with a letter or digit");
}

} // namespace colinux
