// SPDX-License-Identifier: GPL-2.0
// The judging half of `colinux doctor`: one small function per question. Each adds exactly one finding,
// so that --json always lists the same questions.
#include "cli/doctor.hpp"

#include "control/config_text.hpp"
#include "control/driver.hpp"

#include <algorithm>

namespace colinux {

namespace {

using Level = Finding::Level;
using Findings = std::vector<Finding>;

constexpr std::uint64_t kComfortableBytes = 640ull << 20; // a guest of the default size and what it takes beside

bool has_flag(const HostFacts& facts, const std::string& flag)
{
    return facts.cpu_flags.find(" " + flag + " ") != std::string::npos;
}

// `text` says how it is, in either case.
void judge(Findings& findings, const char* code, bool good, Level otherwise, std::string text, std::string cure)
{
    findings.push_back({code, good ? Level::Ok : otherwise, std::move(text), good ? "" : std::move(cure)});
}

void check_architecture(Findings& findings, const HostFacts& facts)
{
    judge(findings, "arch", facts.architecture == "x86_64", Level::Problem, "the host kernel is for " + facts.architecture,
          "coLinux runs on 64-bit x86 kernels only");
}

void check_root(Findings& findings, const HostFacts& facts)
{
    judge(findings, "not-root", facts.root, Level::Problem, facts.root ? "running as root" : "not running as root",
          "run guests, and this check, as root");
}

void check_cpu(Findings& findings, const HostFacts& facts)
{
    bool missing_nx = !has_flag(facts, "nx");
    judge(findings, "no-nx", !missing_nx, Level::Problem, missing_nx ? "the CPU has no NX bit" : "the CPU has NX",
          "turn on 'execute disable' in the firmware's setup");
    bool missing_fxsr = !has_flag(facts, "fxsr");
    judge(findings, "no-fxsr", !missing_fxsr, Level::Problem, missing_fxsr ? "the CPU has no FXSAVE" : "the CPU has FXSAVE",
          "use an x86-64 CPU");
    bool clock = has_flag(facts, "constant_tsc") && has_flag(facts, "nonstop_tsc");
    judge(findings, "no-invariant-tsc",
          clock || (facts.driver_version && !(facts.refusals & CO_REFUSAL_NO_INVARIANT_TSC)), Level::Warning,
          clock ? "the CPU's time stamp counter is invariant"
                : "the CPU does not promise an invariant time stamp counter",
          "use a machine (or, in a virtual machine, a CPU model) with an invariant TSC; the driver has the last word");
    bool unstable = facts.kernel_arguments.find("tsc=unstable") != std::string::npos;
    judge(findings, "tsc-unstable", !unstable, Level::Problem,
          unstable ? "the host kernel was told not to trust the CPU's time stamp counter, a guest's clock"
                   : "nobody told the host kernel not to trust its time stamp counter",
          "boot the host without tsc=unstable");
    bool fred = has_flag(facts, "fred") && facts.kernel_arguments.find("fred=on") != std::string::npos;
    judge(findings, "fred", !fred, Level::Problem, fred ? "the host kernel runs with FRED" : "the host kernel runs without FRED",
          "boot the host with: fred=off");
}

void check_host_kind(Findings& findings, const HostFacts& facts)
{
    bool xen_pv = facts.hypervisor == "xen" && facts.xen_guest_type == "PV";
    judge(findings, "xen-pv", !xen_pv, Level::Problem,
          xen_pv ? "the host kernel is a Xen PV guest, not in ring 0" : "the host kernel is in ring 0",
          "boot the host as a Xen PVH or HVM guest, or without Xen");
    bool confidential = has_flag(facts, "tdx_guest") || has_flag(facts, "sev_guest");
    judge(findings, "confidential-guest", !confidential, Level::Problem,
          confidential ? "the host is a confidential virtual machine (SEV or TDX)"
                       : "the host is no confidential virtual machine",
          "use an ordinary virtual machine or a real one");
    judge(findings, "preempt-rt", !facts.real_time, Level::Problem,
          facts.real_time ? "the host kernel is a real-time one (PREEMPT_RT): a guest keeps interrupts off for longer than such a kernel promises"
                          : "the host kernel is no real-time one",
          "boot the host with Debian's linux-image-amd64 or linux-image-cloud-amd64");
    judge(findings, "one-cpu", facts.cpus > 1, Level::Warning,
          std::to_string(facts.cpus) + (facts.cpus == 1 ? " CPU" : " CPUs") + " online",
          "with one CPU, a guest that spins with its interrupts off cannot be interrupted: give the host a second one");
}

// What makes this machine trust the driver.
std::string signing(const HostFacts& facts)
{
    if (facts.dkms_key.empty())
        return "sign the driver with a key that this machine trusts (mokutil --import)";
    return "have this machine trust the key that DKMS signed the driver with: mokutil --import " + facts.dkms_key +
           ", then boot again and choose 'Enroll MOK'";
}

// Only while the driver is not loaded: these keep it out.
void check_module_loading(Findings& findings, const HostFacts& facts)
{
    bool open = facts.lockdown.empty() || facts.device_node;
    judge(findings, "lockdown", open, Level::Problem,
          facts.lockdown.empty() ? "the kernel is not locked down" : "the kernel is locked down: " + facts.lockdown,
          signing(facts) + (facts.secure_boot ? ", or turn secure boot off" : ", or boot the host without lockdown="));
    bool unsigned_ok = !facts.signatures_enforced || facts.device_node;
    judge(findings, "module-signature", unsigned_ok, Level::Problem,
          facts.signatures_enforced ? "the kernel takes signed modules only" : "the kernel takes unsigned modules",
          signing(facts) + ", or boot without module.sig_enforce");
    judge(findings, "secure-boot", !facts.secure_boot || facts.device_node, Level::Warning,
          facts.secure_boot ? "secure boot is on" : "secure boot is off",
          "a driver that is not signed will be refused: " + signing(facts) + ", or turn secure boot off in the firmware's setup");
}

void check_driver(Findings& findings, const HostFacts& facts)
{
    bool needed = !facts.device_node && !facts.driver_file;
    judge(findings, "no-headers", facts.headers || !needed, Level::Problem,
          facts.headers ? "headers of the running kernel are installed" : "headers of the running kernel are not installed",
          "apt-get install linux-headers-" + facts.kernel_release);
    judge(findings, "no-driver", facts.device_node, Level::Problem,
          facts.device_node ? "the driver is loaded" : "the driver is not loaded (" CO_DEVICE_PATH " is not there)",
          facts.driver_file ? "modprobe colinux"
                            : "apt-get install colinux-dkms, or build and install the driver for this kernel (docs/install.md), then: "
                              "modprobe colinux");
    if (!facts.device_node)
        return;
    bool asked = facts.driver_version.has_value();
    judge(findings, "driver-version", asked && *facts.driver_version == CO_ABI_VERSION, asked ? Level::Problem : Level::Warning,
          !asked                                        ? "the driver could not be asked for its version"
          : *facts.driver_version == CO_ABI_VERSION ? "the driver's interface version is " + std::to_string(CO_ABI_VERSION)
                                                        : "the driver is of another version than this program",
          asked ? "install both from one build, then: rmmod colinux; modprobe colinux" : "run this as root");
    for (const Refusal& refusal : refusals_in(facts.refusals)) {
        std::erase_if(findings, [&](const Finding& finding) { return finding.code == refusal.code; });
        findings.push_back({refusal.code, Level::Problem, std::string{refusal.text} + " (says the driver)", refusal.cure});
    }
}

void check_grafts(Findings& findings, const HostFacts& facts)
{
    std::string list;
    for (const std::string& release : facts.grafts)
        list += " " + release;
    judge(findings, "no-graft", !facts.grafts.empty(), Level::Problem,
          facts.grafts.empty() ? "there is no graft for any guest kernel" : "grafts for" + list,
          "apt-get install linux-headers-amd64, then: colinux graft build");
}

void check_memory(Findings& findings, const HostFacts& facts)
{
    judge(findings, "low-memory", facts.available_bytes >= kComfortableBytes, Level::Warning,
          std::to_string(facts.available_bytes >> 20) + "M of memory are available",
          "a guest of the default size (512M) needs " + size_text(kComfortableBytes) +
              ": free memory, or give --memory a smaller size");
}

} // namespace

std::vector<Finding> examine(const HostFacts& facts)
{
    Findings findings;
    check_architecture(findings, facts);
    check_root(findings, facts);
    check_cpu(findings, facts);
    check_host_kind(findings, facts);
    check_module_loading(findings, facts);
    check_driver(findings, facts);
    check_grafts(findings, facts);
    check_memory(findings, facts);
    return findings;
}

} // namespace colinux
