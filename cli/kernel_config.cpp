// SPDX-License-Identifier: GPL-2.0
#include "cli/kernel_config.hpp"

#include "control/failure.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>

namespace colinux {

namespace {

constexpr const char* kTaken = "the graft takes the kernel over there";
constexpr const char* kFound = "the graft finds what it needs by it";
constexpr const char* kStream = "the way between host and guest";
constexpr const char* kFiles = "this host's files";
constexpr const char* kPrograms = "programs of today's distributions";

constexpr KernelOption kOptions[] = {
    {"X86_64", "64BIT", nullptr, kTaken},
    {"SMP", nullptr, nullptr, kTaken},
    {"HOTPLUG_CPU", nullptr, nullptr, kTaken},
    {"PCI", nullptr, nullptr, kTaken},
    {"MODULES", nullptr, nullptr, kTaken},
    {"PRINTK", nullptr, nullptr, "its messages"},
    {"TTY", nullptr, nullptr, "its console"},
    {"PARAVIRT_XXL", "HYPERVISOR_GUEST PARAVIRT XEN XEN_PV", nullptr, kTaken},
    {"PARAVIRT_SPINLOCKS", "PARAVIRT_SPINLOCKS", nullptr, "several CPUs on fewer of the host's"},
    {"HVC_IRQ", "HVC_XEN", nullptr, "its console"},
    {"RETHUNK|MITIGATION_RETHUNK", "CPU_MITIGATIONS SPECULATION_MITIGATIONS RETPOLINE RETHUNK MITIGATION_RETPOLINE MITIGATION_RETHUNK", nullptr, kTaken},
    {"CC_OPTIMIZE_FOR_PERFORMANCE", nullptr, nullptr, "small code has functions several times, and the graft cannot tell which it needs"},
    {"KALLSYMS_ALL", "DEBUG_KERNEL KALLSYMS KALLSYMS_ALL", nullptr, kFound},
    {"DEBUG_INFO_BTF", "BPF_SYSCALL DEBUG_INFO_DWARF_TOOLCHAIN_DEFAULT DEBUG_INFO_BTF", nullptr, "the loader proves by it that the graft fits"},
    {"BLK_DEV_INITRD", nullptr, nullptr, "the guest's init"},
    {"BINFMT_ELF", nullptr, nullptr, "the guest's init"},
    {"BINFMT_SCRIPT", nullptr, "binfmt_script", "scripts"},
    {"PROC_FS", nullptr, nullptr, "the guest's init"},
    {"SYSFS", nullptr, nullptr, "the guest's init"},
    {"DEVTMPFS", nullptr, nullptr, "the guest's init"},
    {"TMPFS", "SHMEM TMPFS", nullptr, "where the guest writes to"},
    {"UNIX98_PTYS", nullptr, nullptr, "a terminal for the command"},
    {"MULTIUSER", nullptr, nullptr, "the agent that starts the command"},
    {"SIGNALFD", nullptr, nullptr, "the guest's init"},
    {"EPOLL", nullptr, nullptr, kPrograms},
    {"EVENTFD", nullptr, nullptr, kPrograms},
    {"FUTEX", nullptr, nullptr, kPrograms},
    {"POSIX_TIMERS", nullptr, nullptr, kPrograms},
    {"FILE_LOCKING", nullptr, nullptr, kPrograms},
    {"UNIX", "NET UNIX", "unix", kPrograms},
    {"INET", "NET INET", nullptr, kStream},
    {"VIRTIO", "VIRTIO_MENU VIRTIO_PCI", "virtio", kStream},
    {"VSOCKETS", "NET VSOCKETS", "vsock", kStream},
    {"VIRTIO_VSOCKETS", nullptr, "vmw_vsock_virtio_transport", kStream},
    {"NET_9P", nullptr, "9pnet", kFiles},
    {"NET_9P_FD", nullptr, "9pnet_fd", kFiles},
    {"9P_FS", "NETWORK_FILESYSTEMS 9P_FS", "9p", kFiles},
    {"OVERLAY_FS", nullptr, "overlay", "what the guest writes is kept beside this host's files"},
};

std::vector<std::string> words_of(const std::string& text, char between)
{
    std::vector<std::string> words;
    std::istringstream list{text};
    for (std::string word; std::getline(list, word, between);)
        words.push_back(word);
    return words;
}

std::string value_of(const KernelConfig& config, const KernelOption& option)
{
    for (const std::string& name : words_of(option.names, '|'))
        if (std::string value = config.value(name); !value.empty())
            return value;
    return "";
}

} // namespace

std::span<const KernelOption> needed_options() { return kOptions; }

KernelConfig KernelConfig::read(const std::string& file)
{
    std::ifstream stream{file, std::ios::binary};
    std::ostringstream text;
    if (!(stream && text << stream.rdbuf()))
        throw Failure{ExitCode::KernelMissing, file + ": " + (errno ? strerror(errno) : "it is empty") + ": name the .config of a kernel or its build folder"};
    return parse(text.str(), file);
}

KernelConfig KernelConfig::parse(std::string_view text, const std::string& file)
{
    constexpr std::string_view kPrefix = "CONFIG_";
    KernelConfig config;
    std::istringstream lines{std::string{text}};
    for (std::string line; std::getline(lines, line);) {
        std::size_t equals = line.find('=');
        if (!line.starts_with(kPrefix) || equals == std::string::npos || equals + 1 == line.size())
            continue; // "# CONFIG_X is not set" too
        config.values_[line.substr(kPrefix.size(), equals - kPrefix.size())] = line.substr(equals + 1);
    }
    std::erase_if(config.values_, [](const auto& entry) { return entry.second == "n"; });
    if (config.values_.empty())
        throw Failure{ExitCode::KernelUnfit, file + " is no configuration of a kernel: no line CONFIG_...= is in it"};
    return config;
}

std::string KernelConfig::value(const std::string& option) const
{
    auto found = values_.find(option);
    return found == values_.end() ? "" : found->second;
}

std::vector<const KernelOption*> missing_options(const KernelConfig& config)
{
    std::vector<const KernelOption*> missing;
    for (const KernelOption& option : kOptions) {
        std::string value = value_of(config, option);
        if (value != "y" && !(value == "m" && option.modules))
            missing.push_back(&option);
    }
    return missing;
}

std::vector<std::string> wanted_modules(const KernelConfig* config)
{
    std::vector<std::string> modules;
    for (const KernelOption& option : kOptions)
        if (option.modules && (!config || value_of(*config, option) == "m"))
            modules.emplace_back(option.modules);
    return modules;
}

std::string config_fragment()
{
    std::string text = "# What `colinux kernel run` needs: scripts/kconfig/merge_config.sh -m .config THIS; make olddefconfig\n";
    std::set<std::string> told;
    for (const KernelOption& option : kOptions)
        for (const std::string& name : words_of(option.sets ? option.sets : option.names, ' '))
            if (told.insert(name).second)
                text += "CONFIG_" + name + "=y\n";
    return text;
}

} // namespace colinux
