// SPDX-License-Identifier: GPL-2.0
#include "cli/ext_image.hpp"

#include "control/failure.hpp"

#include <ext2fs/ext2fs.h>

#include <algorithm>
#include <array>

namespace colinux {

namespace {

std::optional<ext2_ino_t> inode_of(ext2_filsys system, const std::string& path)
{
    ext2_ino_t inode;
    if (ext2fs_namei_follow(system, EXT2_ROOT_INO, EXT2_ROOT_INO, path.c_str(), &inode) != 0)
        return std::nullopt;
    return inode;
}

int take_name(ext2_dir_entry* entry, int, int, char*, void* names)
{
    static_cast<std::vector<std::string>*>(names)->emplace_back(entry->name, static_cast<std::size_t>(ext2fs_dirent_name_len(entry)));
    return 0;
}

} // namespace

std::optional<ExtImage> ExtImage::open(int fd, std::uint64_t start)
{
    ext2_filsys system;
    std::string path = "/proc/self/fd/" + std::to_string(fd), options = "offset=" + std::to_string(start);
    if (ext2fs_open2(path.c_str(), options.c_str(), EXT2_FLAG_64BITS, 0, 0, unix_io_manager, &system) != 0)
        return std::nullopt;
    return ExtImage{Handle{system, [](ext2_filsys open) { ext2fs_close_free(&open); }}};
}

std::vector<std::string> ExtImage::names_in(const std::string& folder) const
{
    std::vector<std::string> names;
    if (auto inode = inode_of(handle_.get(), folder))
        ext2fs_dir_iterate(handle_.get(), *inode, 0, nullptr, take_name, &names);
    return names;
}

bool ExtImage::has(const std::string& path) const { return inode_of(handle_.get(), path).has_value(); }

std::optional<ExtImage::File> ExtImage::find(const std::string& path) const
{
    ext2_inode facts;
    auto inode = inode_of(handle_.get(), path);
    if (!inode || ext2fs_read_inode(handle_.get(), *inode, &facts) != 0 || !LINUX_S_ISREG(facts.i_mode))
        return std::nullopt;
    return File{*inode, facts.i_generation, EXT2_I_SIZE(&facts), facts.i_mtime, facts.i_ctime};
}

bool ExtImage::read(const std::string& path, const File& file, const std::function<bool(const char*, std::size_t)>& take) const
{
    auto refuse = [&](errcode_t error) {
        throw Failure{ExitCode::NotCopied, path + " cannot be read out of the image: " + (error ? error_message(error) : "it is cut off")};
    };
    ext2_file_t opened;
    if (errcode_t error = ext2fs_file_open(handle_.get(), file.inode, 0, &opened))
        refuse(error);
    std::unique_ptr<ext2_file, void (*)(ext2_file_t)> closes{opened, [](ext2_file_t it) { ext2fs_file_close(it); }};
    static std::array<char, 1 << 20> bytes;
    for (std::uint64_t done = 0; done < file.bytes;) {
        unsigned got = 0;
        errcode_t error = ext2fs_file_read(opened, bytes.data(), static_cast<unsigned>(std::min<std::uint64_t>(bytes.size(), file.bytes - done)), &got);
        if (error || got == 0)
            refuse(error);
        if (!take(bytes.data(), got))
            return false;
        done += got;
    }
    return true;
}

} // namespace colinux
