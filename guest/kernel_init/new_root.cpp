// SPDX-License-Identifier: GPL-2.0
#include "new_root.hpp"

#include <colinux/kernel_run.h>

#include <dirent.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

namespace colinux::kernel_init {

namespace {

constexpr const char *kLower = "/lower", *kUpper = "/upper", *kNew = "/new";

void make_folders(const std::string& path)
{
    for (std::size_t slash = 0; slash != std::string::npos;) {
        slash = path.find('/', slash + 1);
        std::string part = path.substr(0, slash);
        if (mkdir(part.c_str(), 0755) != 0 && errno != EEXIST)
            fail("folder " + part);
    }
}

void mount_at(const char* source, const std::string& place, const char* type, unsigned long flags, const std::string& options = "")
{
    make_folders(place);
    if (mount(source, place.c_str(), type, flags, options.c_str()) == 0)
        return;
    if (errno == ENODEV)
        throw Trouble{std::string{"this kernel has no "} + type + " file system: see what `colinux kernel config` says of its tree"};
    fail(std::string{type} + " at " + place);
}

// `cache`: of what nobody changes on the host all can be kept; what the guest writes is to be on the host as soon as it can be seen here.
void mount_folder(const Folder& folder, const std::string& place)
{
    std::string stream = std::to_string(folder.stream);
    std::string options = "trans=fd,version=9p2000.L,rfdno=" + stream + ",wfdno=" + stream + ",msize=" + std::to_string(CO_KERNEL_RUN_MESSAGE_BYTES) +
                          (folder.writable ? ",access=user,cache=mmap" : ",access=any,cache=loose");
    mount_at("host", place, "9p", folder.writable ? 0 : MS_RDONLY, options);
    close(folder.stream);
}

bool load(const std::string& file)
{
    int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC);
    bool loaded = syscall(SYS_finit_module, fd, "", 0) == 0 || errno == EEXIST;
    close(fd);
    return loaded;
}

} // namespace

void fail(const std::string& what) { throw Trouble{what + ": " + strerror(errno)}; }

std::vector<Folder> read_folders(const char* file)
{
    std::vector<Folder> folders;
    std::ifstream lines{file};
    for (std::string line; std::getline(lines, line);) {
        if (line.size() < 4 || line[3] != '/' || folders.size() == CO_KERNEL_RUN_MAX_FOLDERS)
            throw Trouble{std::string{file} + ": '" + line + "' is not understood"};
        folders.push_back({line.starts_with("rw "), line.substr(3), -1});
    }
    if (folders.empty())
        throw Trouble{std::string{file} + " is empty"};
    return folders;
}

void load_modules(const char* folder)
{
    std::vector<std::string> left;
    if (DIR* listing = opendir(folder)) {
        while (const dirent* entry = readdir(listing))
            if (entry->d_name[0] != '.')
                left.push_back(std::string{folder} + "/" + entry->d_name);
        closedir(listing);
    }
    std::ranges::sort(left); // the host numbers them so that each comes behind what it needs
    for (std::size_t before = left.size() + 1; left.size() < before;) { // as long as another one finds what it needs
        before = left.size();
        std::erase_if(left, load);
    }
}

void enter_new_root(const std::vector<Folder>& folders)
{
    mount_folder(folders[0], kLower);
    mount_at("upper", kUpper, "tmpfs", 0, "mode=755");
    make_folders(std::string{kUpper} + "/data");
    make_folders(std::string{kUpper} + "/work");
    mount_at("root", kNew, "overlay", 0, std::string{"lowerdir="} + kLower + ",upperdir=" + kUpper + "/data,workdir=" + kUpper + "/work");
    std::string root{kNew};
    for (const char* place : {"/proc", "/sys", "/dev"}) {
        make_folders(root + place);
        if (mount(place, (root + place).c_str(), nullptr, MS_MOVE, nullptr) != 0)
            fail(root + place);
    }
    mount_at("pts", root + "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "mode=620,ptmxmode=666,gid=5");
    mount_at("shm", root + "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");
    mount_at("run", root + "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755");
    for (std::size_t i = 1; i < folders.size(); i++)
        mount_folder(folders[i], root + folders[i].path);
    if (chdir(kNew) != 0 || mount(".", "/", nullptr, MS_MOVE, nullptr) != 0 || chroot(".") != 0 || chdir("/") != 0)
        fail("the new root");
}

} // namespace colinux::kernel_init
