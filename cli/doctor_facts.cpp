// SPDX-License-Identifier: GPL-2.0
// The looking half of `colinux doctor`: /proc, /sys, and the driver itself where it is loaded.
#include "cli/doctor.hpp"

#include "cli/subprocess.hpp"
#include "control/driver.hpp"
#include "control/failure.hpp"
#include "control/graft_store.hpp"

#include <sys/utsname.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace colinux {

namespace fs = std::filesystem;

namespace {

std::string first_line(const char* path)
{
    std::ifstream file{path};
    std::string line;
    std::getline(file, line);
    return line;
}

// The rest of the first "KEY : VALUE" line.
std::string value_of(const char* path, const std::string& key)
{
    std::ifstream file{path};
    for (std::string line; std::getline(file, line);)
        if (line.starts_with(key))
            return line.substr(line.find(':') + 1);
    return "";
}

std::string bracketed(const std::string& choices) // "none [integrity] confidentiality"
{
    std::size_t open = choices.find('['), close = choices.find(']');
    return open == std::string::npos || close == std::string::npos ? "" : choices.substr(open + 1, close - open - 1);
}

// The EFI variable: 4 bytes of attributes, then 1 where secure boot is on.
bool secure_boot_is_on()
{
    std::ifstream file{"/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", std::ios::binary};
    char bytes[5]{};
    return file.read(bytes, sizeof bytes) && bytes[4] == 1;
}

void ask_driver(HostFacts& facts)
{
    try {
        Driver driver;
        facts.driver_version = CO_ABI_VERSION;
        facts.refusals = driver.info().refusals;
    } catch (const Failure& failure) {
        if (failure.code() == ExitCode::DriverVersion)
            facts.driver_version = 0; // another one
    }
}

} // namespace

HostFacts look_at_host()
{
    HostFacts facts;
    utsname name{};
    uname(&name);
    facts.root = geteuid() == 0;
    facts.architecture = name.machine;
    facts.kernel_release = name.release;
    facts.headers = fs::exists(std::string{"/lib/modules/"} + name.release + "/build/Makefile");
    facts.cpu_flags = value_of("/proc/cpuinfo", "flags") + " ";
    facts.kernel_arguments = first_line("/proc/cmdline");
    facts.real_time = first_line("/sys/kernel/realtime") == "1";
    facts.clock_source = first_line("/sys/devices/system/clocksource/clocksource0/current_clocksource");
    facts.hypervisor = first_line("/sys/hypervisor/type");
    facts.xen_guest_type = first_line("/sys/hypervisor/guest_type");
    facts.lockdown = bracketed(first_line("/sys/kernel/security/lockdown"));
    if (facts.lockdown == "none")
        facts.lockdown.clear();
    facts.signatures_enforced = first_line("/sys/module/module/parameters/sig_enforce") == "Y";
    facts.secure_boot = secure_boot_is_on();
    for (const char* key : {"/var/lib/dkms/mok.pub", "/var/lib/shim-signed/mok/MOK.der"}) // Debian's, Ubuntu's
        if (facts.dkms_key.empty() && fs::exists(key))
            facts.dkms_key = key;
    facts.cpus = static_cast<unsigned>(sysconf(_SC_NPROCESSORS_ONLN));
    std::istringstream{value_of("/proc/meminfo", "MemAvailable")} >> facts.available_bytes;
    facts.available_bytes <<= 10;
    facts.driver_file = run_and_capture({"modinfo", "-n", "colinux"}).status == 0;
    facts.device_node = fs::exists(CO_DEVICE_PATH);
    if (facts.device_node)
        ask_driver(facts);
    for (const GraftEntry& graft : list_grafts())
        facts.grafts.push_back(graft.release);
    return facts;
}

} // namespace colinux
