// SPDX-License-Identifier: GPL-2.0
#include "cli/definition_store.hpp"

#include "cli/folder_lock.hpp"
#include "control/config_text.hpp"
#include "control/failure.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace colinux {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMaximumBytes = 1 << 20;
constexpr std::string_view kSuffix = ".toml";

std::string chosen(const char* variable, const char* by_default)
{
    const char* value = getenv(variable);
    return value && *value ? value : by_default;
}

[[noreturn]] void refuse(const std::string& what, int error)
{
    if (error == EACCES || error == EPERM)
        throw Failure{ExitCode::NotRoot, what + ": may be changed by root only: run this as root"};
    throw Failure{ExitCode::NotSaved, what + ": " + strerror(error)};
}

void sync_folder(const std::string& folder)
{
    UniqueFd fd{open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!fd || fsync(fd.get()) != 0)
        refuse(folder, errno);
}

// Gone unless it was given its name.
struct TemporaryName {
    explicit TemporaryName(const std::string& folder) : path{folder + "/.new-XXXXXX"} {}
    ~TemporaryName() { unlink(path.c_str()); }
    std::string path;
};

} // namespace

std::string read_definition_file(const std::string& path)
{
    UniqueFd file{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    struct stat status{};
    if (file && fstat(file.get(), &status) == 0 && !S_ISREG(status.st_mode))
        throw Failure{ExitCode::DefinitionInvalid, path + " is no file"};
    if (!file && (errno == EACCES || errno == EPERM))
        throw Failure{ExitCode::NotRoot, path + " may be read by root only: run this as root"};
    if (!file)
        throw Failure{ExitCode::NameUnknown, path + ": " + strerror(errno)};
    std::string text(kMaximumBytes + 1, '\0');
    std::size_t bytes = 0;
    for (ssize_t count; bytes < text.size() && (count = read(file.get(), &text[bytes], text.size() - bytes)) != 0;) {
        if (count < 0 && errno != EINTR)
            throw Failure{ExitCode::DefinitionInvalid, path + ": " + strerror(errno)};
        bytes += count < 0 ? 0 : static_cast<std::size_t>(count);
    }
    if (bytes > kMaximumBytes)
        throw Failure{ExitCode::DefinitionInvalid, path + " has more than 1M: this is no guest's definition"};
    text.resize(bytes);
    return text;
}

void check_new_name(const std::string& name)
{
    check_name(name);
    if (name == "images")
        throw Failure{ExitCode::Usage, "name 'images': the folder of that name in /var/lib/colinux is that of images; choose another"};
    constexpr std::string_view given = "guest";
    if (name.starts_with(given) && std::ranges::all_of(name.substr(given.size()), [](char c) { return c >= '0' && c <= '9'; }) && name != given)
        throw Failure{ExitCode::Usage, "name '" + name + "': guest1, guest2 and so on are for `colinux run`; choose another"};
}

DefinitionStore::DefinitionStore()
    : folder_{chosen("COLINUX_CONFIG_DIR", "/etc/colinux")}, state_folder_{chosen("COLINUX_STATE_DIR", "/var/lib/colinux")}
{
}

std::vector<std::string> DefinitionStore::names() const
{
    std::vector<std::string> names;
    std::error_code error;
    for (const fs::directory_entry& entry : fs::directory_iterator{folder_, error}) {
        std::string file = entry.path().filename();
        if (file.ends_with(kSuffix) && !file.starts_with('.'))
            names.push_back(file.substr(0, file.size() - kSuffix.size()));
    }
    if (error && error != std::errc::no_such_file_or_directory)
        throw Failure{error == std::errc::permission_denied ? ExitCode::NotRoot : ExitCode::Internal, folder_ + ": " + error.message()};
    std::ranges::sort(names);
    return names;
}

bool DefinitionStore::contains(const std::string& name) const
{
    struct stat status;
    return lstat(path(name).c_str(), &status) == 0;
}

std::string DefinitionStore::text(const std::string& name) const
{
    check_name(name);
    if (contains(name))
        return read_definition_file(path(name));
    std::string list;
    for (const std::string& other : names())
        list += (list.empty() ? "" : ", ") + other;
    throw Failure{ExitCode::NameUnknown, "no guest named '" + name + "' is defined in " + folder_ + " (" +
                                             (list.empty() ? "none is; make one with: colinux create " + name : "there are: " + list) + ")"};
}

GuestDefinition DefinitionStore::load(const std::string& name) const
{
    GuestDefinition definition = parse_definition(text(name), path(name));
    definition.machine.name = name;
    return definition;
}

UniqueFd DefinitionStore::lock() const
try {
    return lock_folder(folder_);
} catch (const std::system_error& error) {
    refuse(folder_, error.code().value());
}

void DefinitionStore::create(const std::string& name, const std::string& text) const
{
    check_name(name);
    write(name, text, RENAME_NOREPLACE);
}

void DefinitionStore::replace(const std::string& name, const std::string& text) const { write(name, text, 0); }

void DefinitionStore::remove(const std::string& name) const
{
    if (unlink(path(name).c_str()) != 0)
        refuse(path(name), errno);
    sync_folder(folder_);
}

void DefinitionStore::write(const std::string& name, const std::string& text, unsigned rename_flags) const
{
    TemporaryName temporary{folder_};
    UniqueFd file{mkostemp(temporary.path.data(), O_CLOEXEC)};
    if (!file)
        refuse(folder_, errno);
    if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        refuse(path(name), errno ? errno : ENOSPC);
    if (fchmod(file.get(), 0644) != 0 || fsync(file.get()) != 0)
        refuse(path(name), errno);
    if (renameat2(AT_FDCWD, temporary.path.c_str(), AT_FDCWD, path(name).c_str(), rename_flags) != 0) {
        if (errno == EEXIST)
            throw Failure{ExitCode::NameTaken, "a guest named '" + name + "' is defined already: " + path(name) + "; choose another name, or: colinux rm " + name};
        refuse(path(name), errno);
    }
    sync_folder(folder_);
}

} // namespace colinux
