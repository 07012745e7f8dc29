// SPDX-License-Identifier: GPL-2.0
#include "control/run_directory.hpp"

#include "control/failure.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>

namespace colinux {

namespace fs = std::filesystem;

namespace {

bool is_at(const UniqueFd& file, const std::string& path)
{
    struct stat mine, named;
    return fstat(file.get(), &mine) == 0 && stat(path.c_str(), &named) == 0 && mine.st_ino == named.st_ino;
}

// The lock on `path`, or nothing when a living process holds it. A holder unlinks the file before it
// lets go: a lock on a file that is no longer there under its name is worth nothing.
UniqueFd try_lock(const std::string& path)
{
    for (int attempt = 0; attempt < 10; attempt++) {
        UniqueFd lock{open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
        if (!lock)
            throw Failure{ExitCode::Internal, path + ": " + strerror(errno)};
        if (flock(lock.get(), LOCK_EX | LOCK_NB) == 0) {
            if (is_at(lock, path))
                return lock;
            continue;
        }
        usleep(10'000); // names() holds a dead guest's lock for a moment
    }
    return UniqueFd{};
}

void make_folder(const std::string& path, const char* variable)
{
    if (mkdir(path.c_str(), 0700) == 0 || errno == EEXIST)
        return;
    if (errno == EACCES || errno == EPERM)
        throw Failure{ExitCode::NotRoot, path + " may be made by root only: run this as root"};
    throw Failure{ExitCode::Internal, "cannot make " + path + ": " + strerror(errno) + "; " + variable + " names another folder"};
}

} // namespace

RunDirectory::RunDirectory()
{
    const char* chosen = getenv("COLINUX_RUN_DIR");
    path_ = chosen && *chosen ? chosen : "/run/colinux";
    const char* log_folder = getenv("COLINUX_LOG_DIR");
    // Names are taken per run directory: two of these must not write to one log.
    log_folder_ = log_folder && *log_folder ? log_folder : chosen && *chosen ? path_ : "/var/log/colinux";
}

void RunDirectory::create() const
{
    make_folder(path_, "COLINUX_RUN_DIR");
    make_folder(log_folder_, "COLINUX_LOG_DIR");
}

void RunDirectory::rotate_logs(const std::string& name) const
{
    rename(log_path(name).c_str(), previous_log_path(name).c_str());
    std::error_code error;
    if (fs::file_size(report_path(name), error) == 0) // of one that did not crash
        unlink(report_path(name).c_str());
    if (rename(report_path(name).c_str(), previous_report_path(name).c_str()) != 0)
        unlink(previous_report_path(name).c_str()); // of one that came before the log that is the previous one now
    std::vector<std::pair<fs::file_time_type, std::string>> ended;
    for (const fs::directory_entry& entry : fs::directory_iterator{log_folder_, error}) {
        std::string other = entry.path().stem();
        if (entry.path().extension() == ".log" && !fs::exists(lock_path(other), error))
            ended.emplace_back(entry.last_write_time(error), other);
    }
    std::ranges::sort(ended, std::greater{});
    for (std::size_t i = kKeptLogs; i < ended.size(); i++) {
        const std::string& old = ended[i].second;
        for (const std::string& path : {log_path(old), previous_log_path(old), report_path(old), previous_report_path(old)})
            unlink(path.c_str());
    }
}

std::vector<std::string> RunDirectory::names() const
{
    std::vector<std::string> names;
    std::unique_ptr<DIR, int (*)(DIR*)> folder{opendir(path_.c_str()), closedir};
    if (!folder) {
        if (errno == EACCES)
            throw Failure{ExitCode::NotRoot, path_ + " may be read by root only: run this as root"};
        return names;
    }
    while (const dirent* entry = readdir(folder.get())) {
        std::string_view file = entry->d_name;
        if (!file.ends_with(".lock"))
            continue;
        std::string name{file.substr(0, file.size() - 5)};
        UniqueFd lock{open(lock_path(name).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW)};
        if (!lock)
            continue;
        if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
            names.push_back(name);
            continue;
        }
        if (!is_at(lock, lock_path(name)))
            continue; // it has ended since, and what is there now may be the next one's
        unlink(socket_path(name).c_str());
        unlink(lock_path(name).c_str());
    }
    std::ranges::sort(names);
    return names;
}

bool RunDirectory::is_taken(const std::string& name) const
{
    UniqueFd lock{open(lock_path(name).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW)};
    return lock && flock(lock.get(), LOCK_SH | LOCK_NB) != 0;
}

pid_t RunDirectory::pid_of_daemon(const std::string& name) const
{
    pid_t pid = 0;
    std::ifstream{lock_path(name)} >> pid;
    return is_taken(name) ? pid : 0;
}

bool RunDirectory::signal_daemon(const std::string& name, int signal) const
{
    pid_t pid = pid_of_daemon(name);
    if (pid <= 0)
        return false;
    UniqueFd process{static_cast<int>(syscall(SYS_pidfd_open, pid, 0))};
    // Asked again: the process that we hold now is the one that holds the name, not a later one of that number.
    return process && pid_of_daemon(name) == pid && syscall(SYS_pidfd_send_signal, process.get(), signal, nullptr, 0) == 0;
}

NameClaim::NameClaim(const RunDirectory& directory, const std::string& name) : directory_{directory}
{
    if (!name.empty()) {
        if (!try_claim(name))
            throw Failure{ExitCode::NameTaken,
                          "a guest named '" + name + "' is running: choose another --name, or: colinux stop " + name};
        return;
    }
    for (unsigned number = 1;; number++)
        if (try_claim("guest" + std::to_string(number)))
            return;
}

bool NameClaim::try_claim(const std::string& name)
{
    lock_ = try_lock(directory_.lock_path(name));
    if (!lock_)
        return false;
    std::string pid = std::to_string(getpid()) + "\n";
    if (ftruncate(lock_.get(), 0) != 0 || write(lock_.get(), pid.data(), pid.size()) < 0)
        throw Failure{ExitCode::Internal, directory_.lock_path(name) + ": " + strerror(errno)};
    name_ = name;
    socket_path_ = directory_.socket_path(name);
    lock_path_ = directory_.lock_path(name);
    unlink(socket_path_.c_str()); // a killed daemon's
    return true;
}

void NameClaim::release()
{
    if (!lock_)
        return;
    unlink(socket_path_.c_str());
    unlink(lock_path_.c_str());
    lock_.reset();
}

} // namespace colinux
