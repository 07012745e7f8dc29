// SPDX-License-Identifier: GPL-2.0
// `colinux doctor`: can this machine run guests, and if not, why and what to do? In two halves, so that
// the second can be tested with machines that are not here: look at the host, then judge what was seen.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace colinux {

// What is to be known about the host; nothing in it depends on who asks, except `root`.
struct HostFacts {
    bool root{};
    std::string architecture;    // uname -m
    std::string kernel_release;  // uname -r
    bool headers{};              // of the running kernel, for building the driver
    std::string cpu_flags;       // of /proc/cpuinfo, blank-separated, blanks at both ends
    std::string kernel_arguments; // /proc/cmdline
    bool real_time{};             // PREEMPT_RT
    std::string clock_source;
    std::string hypervisor;      // /sys/hypervisor/type, "" without one
    std::string xen_guest_type;  // "PV", "PVH", "HVM"
    std::string lockdown;        // the word in brackets of /sys/kernel/security/lockdown; "" = none
    bool signatures_enforced{};  // unsigned modules are refused
    bool secure_boot{};
    std::string dkms_key;            // certificate of the key that DKMS signs with; "": there is none
    unsigned cpus{};
    std::uint64_t available_bytes{}; // memory
    bool driver_file{};              // a colinux.ko is installed for this kernel
    bool device_node{};              // /dev/colinux exists
    std::optional<std::uint32_t> driver_version; // when it could be asked
    std::uint32_t refusals{};                    // CO_REFUSAL_*, when it could be asked
    std::vector<std::string> grafts;             // kernel releases
};

HostFacts look_at_host();

struct Finding {
    enum class Level { Ok, Warning, Problem };
    std::string code; // stable; docs/doctor.md lists them
    Level level;
    std::string text;
    std::string cure; // empty for Ok
};

// In the order in which a person would cure them. Guests can run when there is no Problem.
std::vector<Finding> examine(const HostFacts& facts);

} // namespace colinux
