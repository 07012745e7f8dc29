// SPDX-License-Identifier: GPL-2.0
#include "control/config.hpp"

#include "control/config_text.hpp"
#include "control/failure.hpp"

#include <colinux/abi.h>
#include <colinux/passage.h>

#include <nlohmann/json.hpp>

#include <limits>
#include <set>
#include <tuple>

namespace colinux {

using nlohmann::json;

namespace {

void refuse_unknown(const json& object, const std::set<std::string>& known)
{
    for (const auto& item : object.items())
        if (!known.contains(item.key()))
            throw Failure{ExitCode::Usage, "configuration: unknown field '" + item.key() + "'"};
}

// A number that fits the field: JSON's own conversion would wrap silently.
template <typename Number>
Number number_in(const json& object, const char* key, Number otherwise)
{
    if (!object.contains(key))
        return otherwise;
    const json& value = object[key];
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() > std::numeric_limits<Number>::max())
        throw Failure{ExitCode::Usage, std::string{"configuration: '"} + key + "' is not a fitting number"};
    return value.get<Number>();
}

PortForward forward_from(const json& object)
{
    refuse_unknown(object, {"udp", "host_port", "guest_port", "address"});
    return {object.value("udp", false), number_in<std::uint16_t>(object, "host_port", 0),
            number_in<std::uint16_t>(object, "guest_port", 0), parse_address(object.value("address", "127.0.0.1"))};
}

NetConfig net_from(const json& object)
{
    refuse_unknown(object, {"forwards", "host_loopback", "subnet", "tap"});
    NetConfig net;
    net.host_loopback = object.value("host_loopback", net.host_loopback);
    net.subnet = parse_subnet(object.value("subnet", subnet_text(net.subnet)));
    for (const json& forward : object.value("forwards", json::array()))
        net.forwards.push_back(forward_from(forward));
    net.tap = object.value("tap", "");
    return net;
}

MachineConfig machine_from(const json& object)
{
    refuse_unknown(object, {"name", "kernel", "initrd", "command_line", "memory_bytes", "vcpus", "disks", "nets", "restarts", "watchdog",
                            "crash_dump", "gdb", "user"});
    MachineConfig config;
    config.name = object.value("name", "");
    config.kernel = object.value("kernel", "");
    config.initrd = object.value("initrd", "");
    config.command_line = object.value("command_line", "");
    config.memory_bytes = number_in(object, "memory_bytes", config.memory_bytes);
    config.vcpus = number_in(object, "vcpus", config.vcpus);
    for (const json& disk : object.value("disks", json::array())) {
        refuse_unknown(disk, {"path", "read_only", "partition", "raw", "snapshot"});
        config.disks.push_back(
            {disk.value("path", ""), disk.value("read_only", false), number_in(disk, "partition", 0u), disk.value("raw", false), disk.value("snapshot", false)});
    }
    for (const json& net : object.value("nets", json::array()))
        config.nets.push_back(net_from(net));
    config.user = object.value("user", "");
    config.restarts = object.value("restarts", config.restarts);
    if (object.contains("watchdog"))
        config.watchdog = parse_watchdog(object["watchdog"].get<std::string>());
    if (object.contains("gdb"))
        config.gdb = parse_gdb(object["gdb"].get<std::string>());
    config.crash_dump = object.value("crash_dump", "");
    return config;
}

void check_forwards(const std::vector<NetConfig>& nets)
{
    std::set<std::tuple<bool, std::uint32_t, std::uint16_t>> taken;
    for (const NetConfig& net : nets)
        for (const PortForward& forward : net.forwards) {
            if (forward.host_port == 0 || forward.guest_port == 0)
                throw Failure{ExitCode::Usage, "forward: a port is a number from 1 to 65535"};
            if (!taken.emplace(forward.udp, forward.address, forward.host_port).second)
                throw Failure{ExitCode::PortTaken, "port " + std::to_string(forward.host_port) +
                                                       " is forwarded twice: give each forward its own host port"};
        }
}

// As the kernel's dev_valid_name(); no '%', which asks it for a number.
void check_taps(const std::vector<NetConfig>& nets)
{
    constexpr std::size_t kMaxName = 15;
    for (const NetConfig& net : nets) {
        bool odd = net.tap.find_first_of("/:% \t\n\v\f\r") != std::string::npos || net.tap == "." || net.tap == "..";
        if (net.tap.size() > kMaxName || odd || net.tap.find('\0') != std::string::npos)
            throw Failure{ExitCode::Usage, "net 'tap=" + net.tap + "': no name of a network interface: 1 to 15 characters without / : % and blanks"};
        if (!net.tap.empty() && !net.forwards.empty())
            throw Failure{ExitCode::Usage, "net 'tap=" + net.tap + "': only slirp forwards ports; the guest is on the host's network itself"};
    }
}

} // namespace

std::uint64_t round_up_memory(std::uint64_t bytes)
{
    std::uint64_t missing = (CO_BLOCK_SIZE - bytes % CO_BLOCK_SIZE) % CO_BLOCK_SIZE;
    return missing <= std::numeric_limits<std::uint64_t>::max() - bytes ? bytes + missing : bytes;
}

std::string config_to_json(const MachineConfig& config)
{
    json disks = json::array(), nets = json::array();
    for (const DiskConfig& disk : config.disks)
        disks.push_back({{"path", disk.path}, {"read_only", disk.read_only}, {"partition", disk.partition}, {"raw", disk.raw}, {"snapshot", disk.snapshot}});
    for (const NetConfig& net : config.nets) {
        json forwards = json::array();
        for (const PortForward& forward : net.forwards)
            forwards.push_back({{"udp", forward.udp},
                                {"host_port", forward.host_port},
                                {"guest_port", forward.guest_port},
                                {"address", address_text(forward.address)}});
        nets.push_back({{"forwards", forwards}, {"host_loopback", net.host_loopback}, {"subnet", subnet_text(net.subnet)}, {"tap", net.tap}});
    }
    json object{{"name", config.name},
                {"kernel", config.kernel},
                {"initrd", config.initrd},
                {"command_line", config.command_line},
                {"memory_bytes", config.memory_bytes},
                {"vcpus", config.vcpus},
                {"disks", disks},
                {"nets", nets},
                {"restarts", config.restarts},
                {"crash_dump", config.crash_dump},
                {"user", config.user}};
    if (config.watchdog.seconds != 0)
        object["watchdog"] = watchdog_text(config.watchdog);
    if (config.gdb.port != 0)
        object["gdb"] = gdb_text(config.gdb);
    return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

MachineConfig config_from_json(std::string_view text)
{
    try {
        MachineConfig config = machine_from(json::parse(text));
        check_config(config);
        return config;
    } catch (const json::exception& error) {
        throw Failure{ExitCode::Usage, std::string{"configuration: "} + error.what()};
    }
}

void check_config(const MachineConfig& config)
{
    if (!config.name.empty())
        check_name(config.name);
    if (config.kernel.empty())
        throw Failure{ExitCode::KernelMissing, "no kernel: give --kernel VMLINUZ, or --disk with an image that has one"};
    if (config.memory_bytes < kMinimumMemoryBytes)
        throw Failure{ExitCode::MemorySize, "memory " + size_text(config.memory_bytes) +
                                                " is too small: a guest needs at least " +
                                                size_text(kMinimumMemoryBytes)};
    if (config.memory_bytes % CO_BLOCK_SIZE != 0)
        throw Failure{ExitCode::MemorySize, "memory " + size_text(config.memory_bytes) + " is not a multiple of 2M"};
    if (config.vcpus < 1 || config.vcpus > CO_MAX_VCPUS)
        throw Failure{ExitCode::CpuCount, std::to_string(config.vcpus) + " CPUs: expected 1 to " + std::to_string(CO_MAX_VCPUS)};
    if (config.disks.size() > kMaximumDisks || config.nets.size() > kMaximumNets)
        throw Failure{ExitCode::Usage, "too many devices: at most " + std::to_string(kMaximumDisks) + " disks and " +
                                           std::to_string(kMaximumNets) + " networks"};
    for (const DiskConfig& disk : config.disks)
        if (disk.path.empty())
            throw Failure{ExitCode::Usage, "a disk without a file name"};
    check_forwards(config.nets);
    check_taps(config.nets);
    if (!config.crash_dump.empty() && config.crash_dump[0] != '/')
        throw Failure{ExitCode::Usage, "crash dump '" + config.crash_dump + "': expected an absolute path"};
    if (config.watchdog.seconds != 0 && config.watchdog.action == WatchdogConfig::Action::Dump && config.crash_dump.empty())
        throw Failure{ExitCode::Usage, "a watchdog that is to dump needs a file: --crash-dump FILE"};
}

} // namespace colinux
