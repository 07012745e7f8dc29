// SPDX-License-Identifier: GPL-2.0
#include "cli/kernel_initramfs.hpp"

#include "control/failure.hpp"

#include <colinux/kernel_run.h>

#include <archive.h>
#include <archive_entry.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>

namespace colinux {

namespace {

class Writer {
public:
    explicit Writer(int fd) : archive_{archive_write_new(), archive_write_free}
    {
        archive_write_set_format_cpio_newc(archive_.get());
        need(archive_write_open_fd(archive_.get(), fd));
    }
    void add(const char* name, mode_t mode, std::string_view content = {}, dev_t device = 0)
    {
        std::unique_ptr<archive_entry, decltype(&archive_entry_free)> entry{archive_entry_new(), archive_entry_free};
        archive_entry_set_pathname(entry.get(), name[0] == '/' ? name + 1 : name);
        archive_entry_set_mode(entry.get(), mode);
        archive_entry_set_size(entry.get(), static_cast<la_int64_t>(content.size()));
        archive_entry_set_nlink(entry.get(), 1);
        archive_entry_set_rdev(entry.get(), device);
        need(archive_write_header(archive_.get(), entry.get()));
        if (!content.empty() && archive_write_data(archive_.get(), content.data(), content.size()) != static_cast<la_ssize_t>(content.size()))
            need(ARCHIVE_FATAL);
    }
    void finish() { need(archive_write_close(archive_.get())); }

private:
    void need(int result) const
    {
        if (result == ARCHIVE_OK)
            return;
        const char* why = archive_error_string(archive_.get());
        throw Failure{ExitCode::NotCopied, std::string{"the guest's initramfs cannot be made: "} + (why ? why : strerror(errno))};
    }

    std::unique_ptr<archive, decltype(&archive_write_free)> archive_;
};

std::string content_of(const std::string& file)
{
    std::ostringstream text;
    text << std::ifstream{file, std::ios::binary}.rdbuf();
    return text.str();
}

std::string list_of(const std::vector<SharedFolder>& folders)
{
    std::string list;
    for (const SharedFolder& folder : folders) {
        if (folder.guest.find('\n') != std::string::npos)
            throw Failure{ExitCode::Usage, "a folder with a line's end in its name cannot be shown to the guest"};
        list += (folder.writable ? "rw " : "ro ") + folder.guest + "\n";
    }
    return list;
}

} // namespace

KernelInitramfs::KernelInitramfs(const std::string& init, const std::string& agent, const std::vector<KernelModule>& modules,
                                 const std::vector<SharedFolder>& folders)
{
    std::string list = list_of(folders);
    file_ = UniqueFd{memfd_create("colinux-kernel-initramfs", MFD_CLOEXEC)};
    Writer writer{file_.get()};
    for (const char* folder : {"dev", "proc", "sys", "lower", "upper", "new", CO_KERNEL_RUN_MODULES})
        writer.add(folder, S_IFDIR | 0755);
    writer.add("dev/console", S_IFCHR | 0600, {}, makedev(5, 1));
    writer.add("init", S_IFREG | 0755, content_of(init));
    writer.add(CO_KERNEL_RUN_AGENT, S_IFREG | 0755, content_of(agent));
    writer.add(CO_KERNEL_RUN_FOLDERS, S_IFREG | 0644, list);
    unsigned number = 100; // of three digits each: they are loaded in this order
    for (const KernelModule& module : modules)
        writer.add((CO_KERNEL_RUN_MODULES "/" + std::to_string(number++) + "-" + module.name + ".ko").c_str(), S_IFREG | 0644, module.content);
    writer.finish();
}

std::string KernelInitramfs::path() const { return "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(file_.get()); }

} // namespace colinux
