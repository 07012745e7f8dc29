// SPDX-License-Identifier: GPL-2.0
#include "cli/boot_files.hpp"

#include "cli/subprocess.hpp"
#include "vmm/failure.hpp"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <sstream>
#include <utility>

namespace colinux {

namespace fs = std::filesystem;

namespace {

// debugfs has a command language: only names that mean nothing in it go in.
bool plain(const std::string& name)
{
    return std::ranges::all_of(name, [](char c) { return isalnum(static_cast<unsigned char>(c)) || strchr("._+~-", c); });
}

Finished debugfs(const std::string& disk, const std::string& command, StopSignals* stop)
{
    return run_and_capture({"debugfs", "-R", command, disk}, stop);
}

bool copy_out(const std::string& disk, const std::string& from, const std::string& to, StopSignals* stop)
{
    debugfs(disk, "dump " + from + " " + to, stop); // its exit status is 0 in any case
    std::error_code error;
    return fs::file_size(to, error) > 0 && !error;
}

} // namespace

std::string newest_kernel(const std::string& listing)
{
    // "/inode/mode/uid/gid/NAME/size/" for each entry
    std::istringstream lines{listing};
    std::string newest;
    for (std::string line; std::getline(lines, line);) {
        std::istringstream fields{line};
        std::string name;
        for (int field = 0; field < 6; field++)
            std::getline(fields, name, '/');
        if (name.starts_with("vmlinuz-") && plain(name) && strverscmp(name.c_str(), newest.c_str()) > 0)
            newest = name;
    }
    return newest;
}

BootFiles BootFiles::find(const std::string& disk, StopSignals* stop)
{
    BootFiles found;
    fs::path beside = disk + ".boot";
    if (fs::exists(beside / "vmlinuz")) {
        found.kernel_ = beside / "vmlinuz";
        if (fs::exists(beside / "initrd.img"))
            found.initrd_ = beside / "initrd.img";
        return found;
    }
    if (!has_program("debugfs"))
        throw Failure{ExitCode::KernelMissing, "debugfs is needed to find the kernel in " + disk +
                                                   ": apt-get install e2fsprogs, or give --kernel"};
    std::string name = newest_kernel(debugfs(disk, "ls -p /boot", stop).output);
    if (name.empty())
        throw Failure{ExitCode::KernelMissing, "no /boot/vmlinuz-* in " + disk + ": give --kernel and --initrd"};

    std::string scratch = (fs::temp_directory_path() / "colinux-boot-XXXXXX").string();
    if (!mkdtemp(scratch.data()))
        throw Failure{ExitCode::Internal, "cannot make " + scratch + ": " + strerror(errno)};
    found.scratch_ = scratch;
    found.kernel_ = scratch + "/vmlinuz";
    found.initrd_ = scratch + "/initrd.img";
    if (!copy_out(disk, "/boot/" + name, found.kernel_, stop))
        throw Failure{ExitCode::KernelMissing, "/boot/" + name + " cannot be read out of " + disk};
    if (!copy_out(disk, "/boot/initrd.img-" + name.substr(strlen("vmlinuz-")), found.initrd_, stop))
        found.initrd_.clear();
    return found;
}

BootFiles::BootFiles(BootFiles&& other) noexcept
    : kernel_{std::move(other.kernel_)}, initrd_{std::move(other.initrd_)}, scratch_{std::exchange(other.scratch_, "")}
{
}

BootFiles::~BootFiles()
{
    std::error_code ignored;
    if (!scratch_.empty())
        fs::remove_all(scratch_, ignored);
}

} // namespace colinux
