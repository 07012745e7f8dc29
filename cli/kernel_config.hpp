// SPDX-License-Identifier: GPL-2.0
// What a kernel's .config must have so that it can be a guest and `colinux kernel run` can show it this host's files: for `colinux kernel config`.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace colinux {

class KernelConfig {
public:
    // Failure: KernelMissing (it cannot be read), KernelUnfit (it is no .config of a kernel).
    static KernelConfig read(const std::string& file);
    static KernelConfig parse(std::string_view text, const std::string& file); // `file` serves messages only

    std::string value(const std::string& option) const; // without CONFIG_; empty: not set

private:
    std::map<std::string, std::string, std::less<>> values_;
};

struct KernelOption {
    const char* names;   // without CONFIG_; one of several that kernels from 6.1 to 6.12 call it
    const char* sets;    // what to switch on so that it is; nullptr: itself
    const char* modules; // what it is called as a module; nullptr: it must be built in
    const char* why;
};
std::span<const KernelOption> needed_options();

// Of needed_options(), in their order.
std::vector<const KernelOption*> missing_options(const KernelConfig& config);
// Modules that hold what is needed; all that there could be, where the .config is not known.
std::vector<std::string> wanted_modules(const KernelConfig* config);

// For scripts/kconfig/merge_config.sh.
std::string config_fragment();

} // namespace colinux
