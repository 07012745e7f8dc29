// SPDX-License-Identifier: GPL-2.0
// MachineConfig: everything that makes up one guest. `colinux run` fills it from the command line and
// hands it to colinuxd as JSON; the daemon checks it again, since anyone may start colinuxd.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace colinux {

struct DiskConfig {
    std::string path;
    bool read_only{};
    unsigned partition{}; // of an MBR or GPT in it; 0: the whole
    bool raw{};           // also where it looks like another format
    bool snapshot{};      // what the guest writes is gone with it
};

struct PortForward {
    bool udp{};
    std::uint16_t host_port{};
    std::uint16_t guest_port{};
    std::uint32_t address{0x7f000001}; // of the host, in its byte order; 0: all
};

// An IPv4 network, in the host's byte order.
struct Subnet {
    std::uint32_t address{0x0a000200};
    unsigned prefix{24};
    bool operator==(const Subnet&) const = default;
};

struct NetConfig { // one conet device, on libslirp unless `tap` says otherwise
    std::vector<PortForward> forwards;
    bool host_loopback{}; // the guest's router is the host's 127.0.0.1
    Subnet subnet{};
    std::string tap; // on this network interface of the host
};

struct WatchdogConfig { // what happens to a guest of which a CPU hangs
    enum class Action { Kill, Dump, Report };
    std::uint32_t seconds{}; // 0: nobody watches
    Action action{Action::Kill};
};

struct GdbConfig { // a debugger for the guest's kernel
    std::uint16_t port{}; // of 127.0.0.1; 0: none
    bool wait{};          // for it, before the guest's first instruction
};

struct MachineConfig {
    std::string name;   // empty: the daemon takes the first free of guest1, guest2, ...
    std::string kernel; // vmlinuz, as it comes from the distribution's package
    std::string initrd; // empty: none
    std::string command_line;
    std::uint64_t memory_bytes{512ull << 20}; // a multiple of 2 MiB
    std::uint32_t vcpus{1};
    std::vector<DiskConfig> disks;
    std::vector<NetConfig> nets;
    std::string user;    // that the daemon becomes; empty: it stays root, without capabilities
    bool restarts{true}; // what a reboot of the guest does; else it ends
    WatchdogConfig watchdog;
    GdbConfig gdb;
    std::string crash_dump; // file for the memory of a guest that crashes; empty: none
};

inline constexpr std::uint64_t kMinimumMemoryBytes = 32ull << 20;
inline constexpr std::size_t kMaximumDisks = 24; // of CO_MAX_DEVICES; leaves room for the others
inline constexpr std::size_t kMaximumNets = 8;

// The next size that a guest can have; unchanged where there is none.
std::uint64_t round_up_memory(std::uint64_t bytes);

std::string config_to_json(const MachineConfig& config);

// Failure: Usage (not JSON, a field of a wrong type, an unknown field), or as check_config().
MachineConfig config_from_json(std::string_view json);

// What can be said without looking at a file or the machine. Failure: Usage, MemorySize, CpuCount,
// KernelMissing, PortTaken (the same host port twice).
void check_config(const MachineConfig& config);

} // namespace colinux
