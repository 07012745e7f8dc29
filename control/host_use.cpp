// SPDX-License-Identifier: GPL-2.0
#include "control/host_use.hpp"

#include <sys/sysmacros.h>

#include <cstdio>
#include <fstream>
#include <sstream>

namespace colinux {

namespace fs = std::filesystem;

namespace {

std::string first_line(const fs::path& file)
{
    std::string line;
    std::ifstream stream{file};
    std::getline(stream, line);
    return line;
}

// mountinfo writes a space and a few more as a backslash and three octal digits.
std::string unescaped(const std::string& text)
{
    std::string plain;
    for (std::size_t at = 0; at < text.size(); at++) {
        unsigned value;
        if (text[at] == '\\' && sscanf(text.c_str() + at + 1, "%3o", &value) == 1) {
            plain += static_cast<char>(value);
            at += 3;
        } else {
            plain += text[at];
        }
    }
    return plain;
}

dev_t device_number(const std::string& text) // "7:0"
{
    unsigned major = 0, minor = 0;
    return sscanf(text.c_str(), "%u:%u", &major, &minor) == 2 ? makedev(major, minor) : 0;
}

} // namespace

std::string mount_point_of(dev_t device, const HostTables& tables)
{
    std::ifstream file{tables.mounts};
    for (std::string line; std::getline(file, line);) {
        std::istringstream fields{line};
        std::string id, parent, number, root, point;
        if (fields >> id >> parent >> number >> root >> point && device_number(number) == device && device != 0)
            return unescaped(point);
    }
    return "";
}

LoopUse loop_device_on(const struct stat& file, bool only_writers, const HostTables& tables)
{
    std::error_code ignored;
    for (const fs::directory_entry& entry : fs::directory_iterator{tables.sys_block, ignored}) {
        std::string name = entry.path().filename();
        struct stat backing;
        if (!name.starts_with("loop") || stat(first_line(entry.path() / "loop/backing_file").c_str(), &backing) != 0)
            continue;
        if (backing.st_dev != file.st_dev || backing.st_ino != file.st_ino)
            continue;
        if (only_writers && first_line(entry.path() / "ro") == "1")
            continue;
        return {"/dev/" + name, mount_point_of(device_number(first_line(entry.path() / "dev")), tables)};
    }
    return {};
}

} // namespace colinux
