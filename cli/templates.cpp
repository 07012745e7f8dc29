// SPDX-License-Identifier: GPL-2.0
#include "cli/templates.hpp"

#include "cli/definition_store.hpp"
#include "cli/image_store.hpp"
#include "cli/installation.hpp"
#include "cli/stop_signals.hpp"
#include "cli/subprocess.hpp"
#include "control/failure.hpp"
#include "control/graft_store.hpp"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <vector>

namespace colinux {

namespace fs = std::filesystem;

namespace {

constexpr const char* kDebian = "debian";
constexpr std::uint64_t kTemplateBytes = 2ull << 30; // sparse

std::vector<std::string> releases_with_graft() // this host's first, then the newest
{
    std::vector<std::string> releases;
    for (const GraftEntry& graft : list_grafts())
        releases.push_back(graft.release);
    utsname host{};
    uname(&host);
    std::ranges::sort(releases, [&](const std::string& a, const std::string& b) {
        if ((a == host.release) != (b == host.release))
            return a == host.release;
        return strverscmp(a.c_str(), b.c_str()) > 0;
    });
    return releases;
}

// A kernel that can be a guest here and that apt can fetch. What only dpkg knows has no line of madison's.
std::string kernel_package()
{
    std::vector<std::string> releases = releases_with_graft();
    if (releases.empty()) {
        std::cerr << "colinux: there is no graft yet: building those for the kernel headers that are installed\n";
        if (std::string script = find_shared("tools/build-grafts"); !script.empty())
            run_in_foreground({fs::read_symlink("/proc/self/exe"), "graft", "build"}, true);
        releases = releases_with_graft();
    }
    for (const std::string& release : releases)
        if (!run_and_capture({"apt-cache", "madison", "linux-image-" + release}).output.empty())
            return "linux-image-" + release;
    if (releases.empty())
        throw Failure{ExitCode::NoGraft, "there is no graft, and none can be built without a kernel's headers: apt-get install linux-headers-amd64, then: colinux graft build"};
    throw Failure{ExitCode::NoGraft, "there are grafts, the newest for " + releases[0] + ", but apt knows of no kernel package for one: apt-get update; apt-get install "
                                     "linux-headers-amd64; colinux graft build"};
}

void make_template(const ImageStore& store, const std::string& name)
{
    if (geteuid() != 0)
        throw Failure{ExitCode::NotRoot, "the image '" + name + "' is to be made, with files of root's: run this as root"};
    UniqueFd lock = store.lock();
    if (store.contains(name))
        return; // whom we waited for has made it
    need_program("mmdebstrap", "mmdebstrap");
    need_program("mke2fs", "e2fsprogs");
    std::string package = kernel_package();
    std::cerr << "colinux: making the image '" << name << "', once: " << store.path(name) << "\n";
    ScratchFolder scratch{store.folder()};
    std::string unfinished = scratch.path() + "/image";
    int status = make_debian(unfinished, kTemplateBytes, package, true);
    if (status == 130)
        StopSignals::interrupted();
    if (status != 0)
        throw Failure{ExitCode::BuildFailed, "the image '" + name + "' could not be made; nothing is left of it"};
    give_name(unfinished, store.path(name));
}

} // namespace

int make_debian(const std::string& output, std::uint64_t bytes, const std::string& kernel_package, bool quiet)
{
    std::string script = find_shared("guest/debian/create-image");
    if (script.empty())
        throw Failure{ExitCode::Internal, "guest/debian/create-image is not installed: run cmake --install again"};
    return run_in_foreground({script, output, std::to_string(bytes >> 10) + "k", kernel_package, find_agent()}, quiet);
}

std::string image_or_template(const std::string& name)
{
    ImageStore store;
    if (name == kDebian && !store.contains(name))
        make_template(store, name);
    try {
        return store.find(name);
    } catch (const Failure& failure) {
        if (failure.code() != ExitCode::ImageUnknown)
            throw;
        bool guest = DefinitionStore{}.contains(name);
        throw Failure{ExitCode::ImageUnknown, std::string{failure.what()} + (guest ? "; the guest of that name: colinux start " + name : "; what is made by itself: debian")};
    }
}

void load_driver()
{
    if (access("/dev/colinux", F_OK) == 0 || geteuid() != 0)
        return;
    std::cerr << "colinux: loading the driver\n";
    run_and_capture({"modprobe", "colinux"});
}

} // namespace colinux
