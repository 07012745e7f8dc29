// SPDX-License-Identifier: GPL-2.0
#include "cli/installation.hpp"

#include "control/failure.hpp"

#include <filesystem>

namespace colinux {

namespace fs = std::filesystem;

namespace {

fs::path own_folder() { return fs::read_symlink("/proc/self/exe").parent_path(); }

} // namespace

std::string find_daemon()
{
    fs::path here = own_folder();
    for (const fs::path& candidate : {here / "../libexec/colinux/colinuxd", here / "../vmm/colinuxd", here / "colinuxd"})
        if (fs::exists(candidate))
            return fs::weakly_canonical(candidate);
    throw Failure{ExitCode::Internal, "colinuxd is not installed beside this program: run cmake --install again"};
}

std::string find_agent()
{
    fs::path here = own_folder();
    for (const fs::path& candidate : {here / "../libexec/colinux/colinux-agent", here / "../guest/agent/colinux-agent", here / "colinux-agent"})
        if (fs::exists(candidate))
            return fs::weakly_canonical(candidate);
    throw Failure{ExitCode::Internal, "colinux-agent is not installed beside this program: run cmake --install again"};
}

std::string find_kernel_init()
{
    fs::path here = own_folder();
    for (const fs::path& candidate : {here / "../libexec/colinux/colinux-kernel-init", here / "../guest/kernel_init/colinux-kernel-init", here / "colinux-kernel-init"})
        if (fs::exists(candidate))
            return fs::weakly_canonical(candidate);
    throw Failure{ExitCode::Internal, "colinux-kernel-init is not installed beside this program: run cmake --install again"};
}

std::string find_shared(const std::string& file)
{
    fs::path here = own_folder();
    fs::path installed = here / "../share/colinux" / file;
    if (fs::exists(installed))
        return fs::weakly_canonical(installed);
    for (fs::path folder = here; folder != folder.root_path(); folder = folder.parent_path())
        if (fs::exists(folder / "CMakePresets.json") && fs::exists(folder / file))
            return folder / file;
    return "";
}

} // namespace colinux
