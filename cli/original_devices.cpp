// SPDX-License-Identifier: GPL-2.0
#include "cli/original_devices.hpp"

#include "control/config_text.hpp"
#include "control/failure.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <filesystem>
#include <optional>
#include <sstream>

namespace colinux {

namespace {

constexpr unsigned kCobdNumbers = 32, kScsiNumbers = 26, kEthNumbers = 16; // of the original, but for scsi: as many letters

[[noreturn]] void refuse(const std::string& what) { throw Failure{ExitCode::Usage, what}; }
[[noreturn]] void not_here(const std::string& what) { throw Failure{ExitCode::NotHere, what + " (docs/colinux-compat.md)"}; }

std::optional<unsigned> whole_number(std::string_view text)
{
    unsigned number{};
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc{} && end == text.data() + text.size() ? std::optional{number} : std::nullopt;
}

// "cobd12": 12, of "cobd"
std::optional<unsigned> number_of(std::string_view key, std::string_view kind)
{
    return key.starts_with(kind) ? whole_number(key.substr(kind.size())) : std::nullopt;
}

bool is_alias(std::string_view key)
{
    bool disk = key.size() >= 3 && (key.starts_with("hd") || key.starts_with("sd")) && key[2] >= 'a' && key[2] <= 'z';
    return disk && key.size() <= 5 && std::ranges::all_of(key.substr(3), [](char c) { return c >= '0' && c <= '9'; });
}

template <typename Device>
void add(std::map<unsigned, Device>& devices, const std::string& kind, unsigned number, unsigned end, Device device)
{
    std::string name = kind + std::to_string(number);
    if (number >= end)
        refuse(name + ": numbers go up to " + std::to_string(end - 1));
    if (!devices.emplace(number, std::move(device)).second)
        refuse(name + " is defined twice");
}

// tcp:HOST:GUEST[:COUNT]
void add_redirection(NetConfig& net, const std::string& option, const std::string& text)
{
    std::size_t count_at = text.find(':');
    for (int i = 0; i < 2 && count_at != std::string::npos; i++)
        count_at = text.find(':', count_at + 1);
    std::optional<unsigned> count = count_at == std::string::npos ? std::optional{1u} : whole_number(text.substr(count_at + 1));
    PortForward first;
    try {
        first = parse_net("slirp,forward=" + text.substr(0, count_at)).forwards.at(0);
    } catch (const Failure& failure) {
        refuse(option + ": " + failure.what());
    }
    if (!count || *count == 0 || *count > 65536u - std::max(first.host_port, first.guest_port))
        refuse(option + ": '" + text + "': expected tcp:HOST_PORT:GUEST_PORT:COUNT, as tcp:4000:80:3");
    for (unsigned i = 0; i < *count; i++)
        net.forwards.push_back({first.udp, static_cast<std::uint16_t>(first.host_port + i), static_cast<std::uint16_t>(first.guest_port + i)});
}

} // namespace

std::vector<std::string> original_parts(std::string_view value)
{
    std::vector<std::string> parts(1);
    bool quoted = false;
    for (std::size_t i = 0; i < value.size(); i++) {
        if (value[i] == '"' && (i + 1 == value.size() || value[i + 1] != '"'))
            quoted = !quoted;
        else if (value[i] == ',' && !quoted)
            parts.emplace_back();
        else
            parts.back() += value[value[i] == '"' ? ++i : i];
    }
    return parts;
}

std::string without_quotes(std::string_view value)
{
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
        value = value.substr(1, value.size() - 2);
    return std::string{value};
}

std::string OriginalDevices::file(const std::string& option, std::string_view value) const
{
    std::string name = without_quotes(value);
    bool drive = name.size() >= 2 && std::isalpha(static_cast<unsigned char>(name[0])) && name[1] == ':';
    if (name.starts_with('\\') || drive)
        not_here(option + "=" + name + ": a name of Windows; give a file of this host, or a block device as /dev/sdb1");
    if (name.empty())
        refuse(option + "=: expected a file name");
    return (std::filesystem::path{folder_} / name).string();
}

bool OriginalDevices::take(const std::string& key, const std::string& value)
{
    if (auto number = number_of(key, "cobd"))
        return add(cobds_, "cobd", *number, kCobdNumbers, {.path = file(key, value)}), true;
    if (auto number = number_of(key, "scsi"))
        return take_scsi(*number, value), true;
    if (auto number = number_of(key, "eth"))
        return take_net(*number, value), true;
    if (is_alias(key))
        return aliases_.emplace_back(key, value), true;
    constexpr std::pair<const char*, const char*> missing[] = {
        {"cofs", "a guest cannot mount a folder of this host yet; leave it out"},
        {"ttys", "a guest cannot have a serial line of this host; its console is: colinux console"},
        {"exec", "no program is started with a guest; start it yourself, beside colinux-daemon -p FILE"},
        {"pci", "a guest has no PCI bus; leave it out"},
        {"video", "a guest has no screen; leave it out"},
        {"audio", "a guest has no sound; leave it out"},
    };
    for (auto [kind, why] : missing)
        if (number_of(key, kind))
            not_here(key + "=" + value + ": " + why);
    return false;
}

void OriginalDevices::take_scsi(unsigned number, const std::string& value)
{
    std::string option = "scsi" + std::to_string(number);
    std::vector<std::string> parts = original_parts(value);
    parts.resize(3);
    if (parts[0] == "pass" || parts[0] == "cdrw" || parts[0] == "tape" || parts[0] == "changer")
        not_here(option + "=" + value + ": only 'disk' and 'cdrom' are here");
    if (parts[0] != "disk" && parts[0] != "cdrom")
        refuse(option + ": '" + parts[0] + "': expected disk,FILE or cdrom,FILE");
    if (!parts[2].empty() && parts[2] != "0")
        not_here(option + "=" + value + ": no file is made or resized; do it yourself: truncate -s " + parts[2] + "M " + parts[1]);
    add(scsis_, "scsi", number, kScsiNumbers, {.path = file(option, parts[1]), .read_only = parts[0] == "cdrom"});
}

void OriginalDevices::take_net(unsigned number, const std::string& value)
{
    std::string option = "eth" + std::to_string(number);
    std::vector<std::string> parts = original_parts(value);
    bool extra = parts.size() > 3;
    parts.resize(3);
    if (parts[0] == "tuntap" && !parts[1].empty() && !extra) {
        if (!parts[2].empty())
            notes_.push_back(option + ": the address " + parts[2] + " is not taken: a card's follows from the guest's name");
        NetConfig net;
        net.tap = parts[1];
        return add(nets_, "eth", number, kEthNumbers, std::move(net));
    }
    if (parts[0] == "tuntap" || parts[0] == "pcap-bridge" || parts[0] == "ndis-bridge")
        not_here(option + "=" + value + ": only slirp and tuntap with the name of an interface are here; take " + option + "=slirp,,tcp:HOST_PORT:GUEST_PORT or " + option + "=tuntap,INTERFACE");
    if (parts[0] != "slirp")
        refuse(option + ": '" + parts[0] + "': expected slirp, tuntap, pcap-bridge or ndis-bridge");
    if (extra)
        refuse(option + "=" + value + ": expected slirp,,REDIRECTIONS, these parted by '/'");
    if (!parts[1].empty())
        notes_.push_back(option + ": the address " + parts[1] + " is not taken: a card's follows from the guest's name");
    NetConfig net;
    std::istringstream redirections{parts[2]};
    for (std::string one; std::getline(redirections, one, '/');)
        add_redirection(net, option, one);
    add(nets_, "eth", number, kEthNumbers, std::move(net));
}

// Those without a cobd of their own get the first that is free.
void OriginalDevices::take_alias(const std::string& alias, const std::string& value)
{
    unsigned number = 0;
    if (value.starts_with(":")) {
        std::optional<unsigned> named = number_of(value, ":cobd");
        if (!named || !cobds_.contains(*named))
            refuse(alias + "=" + value + ": expected :cobdN, of a cobdN=FILE that there is, or a file name");
        number = *named;
    } else {
        while (cobds_.contains(number))
            number++;
        add(cobds_, "cobd", number, kCobdNumbers, {.path = file(alias, value)});
    }
    if (!here_.emplace("/dev/" + alias, "cobd" + std::to_string(number)).second)
        refuse(alias + " is defined twice");
}

void OriginalDevices::finish(MachineConfig& config)
{
    std::ranges::stable_sort(aliases_, std::greater{}, [](const auto& alias) { return alias.first[0]; }); // sd before hd, as there
    for (const auto& [alias, value] : aliases_)
        take_alias(alias, value);
    std::map<std::string, std::string> vd;
    for (const auto* disks : {&cobds_, &scsis_})
        for (const auto& [number, disk] : *disks) {
            if (config.disks.size() == kMaximumDisks)
                refuse("too many disks: at most " + std::to_string(kMaximumDisks));
            std::string there = disks == &cobds_ ? "cobd" + std::to_string(number) : std::string{"sd"} + static_cast<char>('a' + number);
            vd[there] = std::string{"/dev/vd"} + static_cast<char>('a' + config.disks.size());
            if (disks == &cobds_ && number != config.disks.size())
                notes_.push_back(there + " is " + vd[there] + " in the guest, and /dev/cobd" + std::to_string(config.disks.size()));
            config.disks.push_back(disk);
        }
    for (auto& [alias, cobd] : here_)
        cobd = vd[cobd];
    for (const auto& [name, device] : vd)
        here_.emplace("/dev/" + name, device);
    for (const auto& [number, net] : nets_)
        config.nets.push_back(net);
}

std::string OriginalDevices::device_here(const std::string& device) const
{
    if (auto found = here_.find(device); found != here_.end())
        return found->second;
    std::size_t digits = device.find_last_not_of("0123456789") + 1;
    if (auto found = here_.find(device.substr(0, digits)); found != here_.end()) // a partition of scsiN
        return found->second + device.substr(digits);
    return device;
}

} // namespace colinux
