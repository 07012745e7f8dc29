// SPDX-License-Identifier: GPL-2.0
#include "cli/definition_keys.hpp"

#include "control/config_text.hpp"
#include "control/failure.hpp"

#include <algorithm>
#include <limits>

namespace colinux {

namespace {

[[noreturn]] void refuse(const std::string& what) { throw Failure{ExitCode::Usage, what}; }

const std::string& text_in(const DefinitionValue& value)
{
    const std::string& text = std::get<std::string>(value);
    if (std::ranges::any_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; }))
        refuse("has a control character in it");
    return text;
}

template <typename Owner>
DefinitionKey<Owner> text(std::string_view name, std::string Owner::*member, std::string_view expected)
{
    return {name, ValueKind::Text, expected, [=](Owner& owner, const DefinitionValue& value) { owner.*member = text_in(value); },
            [=](const Owner& owner) { return DefinitionValue{owner.*member}; }};
}

template <typename Owner>
DefinitionKey<Owner> path(std::string_view name, std::string Owner::*member, std::string_view expected)
{
    auto read = [=](Owner& owner, const DefinitionValue& value) {
        owner.*member = text_in(value);
        if (const std::string& file = owner.*member; !file.empty() && !file.starts_with('/'))
            refuse("'" + file + "' does not begin with '/': guests are started from any folder");
    };
    return {name, ValueKind::Text, expected, read, [=](const Owner& owner) { return DefinitionValue{owner.*member}; }};
}

template <typename Owner>
DefinitionKey<Owner> size(std::string_view name, std::uint64_t Owner::*member, std::string_view expected)
{
    return {name, ValueKind::Text, expected, [=](Owner& owner, const DefinitionValue& value) { owner.*member = parse_size(text_in(value)); },
            [=](const Owner& owner) { return DefinitionValue{size_text(owner.*member)}; }};
}

template <typename Owner, typename Number>
DefinitionKey<Owner> number(std::string_view name, Number Owner::*member, std::string_view expected)
{
    auto read = [=](Owner& owner, const DefinitionValue& value) {
        std::int64_t given = std::get<std::int64_t>(value);
        if (given < 0 || static_cast<std::uint64_t>(given) > std::numeric_limits<Number>::max())
            refuse(std::to_string(given) + " is out of range");
        owner.*member = static_cast<Number>(given);
    };
    return {name, ValueKind::Number, expected, read, [=](const Owner& owner) { return DefinitionValue{static_cast<std::int64_t>(owner.*member)}; }};
}

template <typename Owner>
DefinitionKey<Owner> flag(std::string_view name, bool Owner::*member)
{
    return {name, ValueKind::Flag, "true or false", [=](Owner& owner, const DefinitionValue& value) { owner.*member = std::get<bool>(value); },
            [=](const Owner& owner) { return DefinitionValue{owner.*member}; }};
}

void read_format(DiskConfig& disk, const DefinitionValue& value)
{
    const std::string& format = text_in(value);
    if (format != "raw" && format != "auto")
        refuse("'" + format + "': expected \"auto\" (a raw image; what looks like another format is refused) or \"raw\" (raw whatever it looks like)");
    disk.raw = format == "raw";
}

DefinitionValue write_format(const DiskConfig& disk) { return std::string{disk.raw ? "raw" : "auto"}; }

// On one of the host's or, without "tap=", on libslirp: as for `run`
void read_net_type(NetConfig& net, const DefinitionValue& value)
{
    const std::string& type = text_in(value);
    if (type != "slirp" && !(type.starts_with("tap=") && type.size() > 4))
        refuse("'" + type + "': expected \"slirp\" or \"tap=INTERFACE\"");
    net.tap = type == "slirp" ? "" : type.substr(4);
}

DefinitionValue write_net_type(const NetConfig& net) { return net.tap.empty() ? "slirp" : "tap=" + net.tap; }

void read_subnet(NetConfig& net, const DefinitionValue& value) { net.subnet = parse_subnet(text_in(value)); }
DefinitionValue write_subnet(const NetConfig& net) { return subnet_text(net.subnet); }

void read_on_reboot(MachineConfig& machine, const DefinitionValue& value)
{
    const std::string& action = text_in(value);
    if (action != "restart" && action != "exit")
        refuse("'" + action + "': expected \"restart\" or \"exit\"");
    machine.restarts = action == "restart";
}

DefinitionValue write_on_reboot(const MachineConfig& machine) { return std::string{machine.restarts ? "restart" : "exit"}; }

void read_watchdog(MachineConfig& machine, const DefinitionValue& value)
{
    machine.watchdog = text_in(value).empty() ? WatchdogConfig{} : parse_watchdog(text_in(value));
}

DefinitionValue write_watchdog(const MachineConfig& machine)
{
    return machine.watchdog.seconds == 0 ? std::string{} : watchdog_text(machine.watchdog);
}

void read_gdb(MachineConfig& machine, const DefinitionValue& value)
{
    machine.gdb = text_in(value).empty() ? GdbConfig{} : parse_gdb(text_in(value));
}

DefinitionValue write_gdb(const MachineConfig& machine) { return machine.gdb.port == 0 ? std::string{} : gdb_text(machine.gdb); }

void read_forwards(NetConfig& net, const DefinitionValue& value)
{
    net.forwards.clear();
    for (const std::string& forward : std::get<std::vector<std::string>>(value)) {
        if (forward.find(',') != std::string::npos)
            refuse("'" + forward + "': one forward in each text, as [\"tcp:2222:22\", \"tcp:8080:80\"]");
        net.forwards.push_back(parse_net("slirp,forward=" + forward).forwards.at(0));
    }
}

DefinitionValue write_forwards(const NetConfig& net)
{
    std::vector<std::string> forwards;
    for (const PortForward& forward : net.forwards)
        forwards.push_back((forward.udp ? "udp:" : "tcp:") + (forward.address == PortForward{}.address ? "" : address_text(forward.address) + ":") +
                           std::to_string(forward.host_port) + ":" + std::to_string(forward.guest_port));
    return forwards;
}

} // namespace

nlohmann::json json_value(const DefinitionValue& value)
{
    return std::visit([](const auto& known) { return nlohmann::json(known); }, value);
}

std::string toml_value(const DefinitionValue& value)
{
    try {
        return json_value(value).dump(); // JSON's texts, numbers and lists of texts are TOML's, too
    } catch (const nlohmann::json::exception&) {
        refuse("a text is not UTF-8: the file would be no TOML");
    }
}

const std::vector<DefinitionKey<MachineConfig>>& machine_keys()
{
    static const std::vector<DefinitionKey<MachineConfig>> keys{
        path("kernel", &MachineConfig::kernel, "a file name, as \"/boot/vmlinuz\""),
        path("initrd", &MachineConfig::initrd, "a file name, as \"/boot/initrd.img\""),
        text("append", &MachineConfig::command_line, "words for the kernel command line, as \"quiet\""),
        size("memory", &MachineConfig::memory_bytes, "a size, as \"512M\""),
        number("cpus", &MachineConfig::vcpus, "a number, as 2"),
        {"on_reboot", ValueKind::Text, "\"restart\" or \"exit\"", read_on_reboot, write_on_reboot},
        {"watchdog", ValueKind::Text, "\"SECONDS[,kill|dump|report]\"", read_watchdog, write_watchdog},
        {"gdb", ValueKind::Text, "\"PORT[,wait]\"", read_gdb, write_gdb},
        path("crash_dump", &MachineConfig::crash_dump, "a file name, as \"/var/crash/web.vmcore\""),
        text("user", &MachineConfig::user, "a user of the host, as \"colinux\""),
    };
    return keys;
}

const std::vector<DefinitionKey<GuestDefinition>>& definition_keys()
{
    static const std::vector<DefinitionKey<GuestDefinition>> keys{
        flag("autostart", &GuestDefinition::autostart),
    };
    return keys;
}

const std::vector<DefinitionKey<DiskConfig>>& disk_keys()
{
    static const std::vector<DefinitionKey<DiskConfig>> keys{
        path("path", &DiskConfig::path, "a file name, as \"/srv/debian.raw\""),
        flag("read_only", &DiskConfig::read_only),
        flag("snapshot", &DiskConfig::snapshot),
        number("partition", &DiskConfig::partition, "a number, as 1; 0: the whole disk"),
        {"format", ValueKind::Text, "\"auto\" or \"raw\"", read_format, write_format},
    };
    return keys;
}

const std::vector<DefinitionKey<NetConfig>>& net_keys()
{
    static const std::vector<DefinitionKey<NetConfig>> keys{
        {"type", ValueKind::Text, "\"slirp\" or \"tap=INTERFACE\"", read_net_type, write_net_type},
        {"subnet", ValueKind::Text, "a network, as \"10.0.2.0/24\"", read_subnet, write_subnet},
        flag("host_loopback", &NetConfig::host_loopback),
        {"forward", ValueKind::List, "a list, as [\"tcp:2222:22\"]", read_forwards, write_forwards},
    };
    return keys;
}

} // namespace colinux
