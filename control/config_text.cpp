// SPDX-License-Identifier: GPL-2.0
#include "control/config_text.hpp"

#include "control/failure.hpp"

#include <algorithm>
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
constexpr std::string_view kForwardExample = "expected forward=tcp:HOST_PORT:GUEST_PORT, for example forward=tcp:8080:80";

PortForward parse_forward(std::string_view text)
{
    auto parts = split(text, ':');
    if (parts.size() != 3 || (parts[0] != "tcp" && parts[0] != "udp"))
        refuse("forward", text, kForwardExample);
    auto host = whole_number<std::uint16_t>(parts[1]);
    auto guest = whole_number<std::uint16_t>(parts[2]);
    if (!host || !guest || *host == 0 || *guest == 0)
        refuse("forward", text, "a port is a number from 1 to 65535");
    return {parts[0] == "udp", *host, *guest};
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
        refuse("disk", text, "expected FILE[,ro][,partition=N][,format=raw]");
    return disk;
}

std::string disk_text(const DiskConfig& disk)
{
    return disk.path + (disk.read_only ? ",ro" : "") + (disk.partition ? ",partition=" + std::to_string(disk.partition) : "") +
           (disk.raw ? ",format=raw" : "");
}

NetConfig parse_net(std::string_view text)
{
    constexpr std::string_view tap = "tap=";
    NetConfig net;
    if (text.starts_with(tap) && text.size() > tap.size()) {
        net.tap = text.substr(tap.size());
        return net;
    }
    auto parts = split(text, ',');
    if (parts[0] != "slirp")
        refuse("net", text, "expected slirp[,forward=tcp:HOST_PORT:GUEST_PORT]..., tap=INTERFACE or none");
    parts.erase(parts.begin());
    for (std::string_view part : parts) {
        constexpr std::string_view key = "forward=";
        if (!part.starts_with(key))
            refuse("net option", part, kForwardExample);
        net.forwards.push_back(parse_forward(part.substr(key.size())));
    }
    return net;
}

void check_name(std::string_view name)
{
    auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
    bool good = !name.empty() && name.size() <= 48 && plain(name[0]) &&
                std::ranges::all_of(name, [&](char c) { return plain(c) || c == '.' || c == '_' || c == '-'; });
    if (!good)
        refuse("name", name, "expected 1 to 48 letters, digits, '.', '_' or '-', beginning with a letter or digit");
}

} // namespace colinux
