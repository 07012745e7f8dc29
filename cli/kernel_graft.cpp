// SPDX-License-Identifier: GPL-2.0
#include "cli/kernel_graft.hpp"

#include "cli/installation.hpp"
#include "cli/stop_signals.hpp"
#include "cli/subprocess.hpp"
#include "control/failure.hpp"
#include "control/graft_store.hpp"
#include "control/last_lines.hpp"

#include <elf.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>

namespace colinux {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kKept = 20; // grafts; each is some 200 KiB
constexpr const char* kUnfinished = ".making-";

class Sum {
public:
    Sum() : state_{XXH3_createState(), XXH3_freeState} { XXH3_128bits_reset(state_.get()); }
    void add(std::string_view text)
    {
        std::uint64_t size = text.size(); // so that no two lists look alike
        XXH3_128bits_update(state_.get(), &size, sizeof size);
        XXH3_128bits_update(state_.get(), text.data(), text.size());
    }
    void add_file(const fs::path& file)
    {
        std::ifstream stream{file, std::ios::binary};
        std::ostringstream text;
        text << stream.rdbuf();
        add(text.str());
    }
    std::string text() const
    {
        XXH128_canonical_t sum;
        XXH128_canonicalFromHash(&sum, XXH3_128bits_digest(state_.get()));
        std::string name;
        for (std::uint8_t byte : sum.digest)
            name.append({"0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]});
        return name;
    }

private:
    std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state_;
};

// What the linker wrote into its PT_NOTE; empty: it has none.
std::string build_id(const fs::path& vmlinux)
{
    std::ifstream file{vmlinux, std::ios::binary};
    auto read_at = [&](std::uint64_t offset, void* to, std::size_t bytes) {
        return static_cast<bool>(file.seekg(static_cast<std::streamoff>(offset)).read(static_cast<char*>(to), static_cast<std::streamsize>(bytes)));
    };
    Elf64_Ehdr head;
    if (!read_at(0, &head, sizeof head) || std::memcmp(head.e_ident, ELFMAG, SELFMAG) != 0)
        return "";
    for (unsigned i = 0; i < head.e_phnum; i++) {
        Elf64_Phdr segment;
        if (!read_at(head.e_phoff + i * sizeof segment, &segment, sizeof segment))
            return "";
        if (segment.p_type != PT_NOTE || segment.p_filesz > 65536)
            continue;
        std::string notes(segment.p_filesz, '\0');
        if (!read_at(segment.p_offset, notes.data(), notes.size()))
            return "";
        return notes;
    }
    return "";
}

fs::path cache_folder()
{
    const char* given = getenv("COLINUX_CACHE_DIR");
    return fs::path{given && *given ? given : "/var/cache/colinux"} / "kernels";
}

void forget_old_ones(const fs::path& cache)
{
    std::vector<std::pair<fs::file_time_type, fs::path>> all;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator{cache, ignored})
        all.emplace_back(entry.last_write_time(ignored), entry.path());
    std::ranges::sort(all, std::greater{});
    for (std::size_t i = kKept; i < all.size(); i++)
        fs::remove_all(all[i].second, ignored);
}

// In a process group of its own, with all that it says in `log`.
pid_t spawn_make(const std::vector<std::string>& arguments, const fs::path& log)
{
    UniqueFd file{open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)};
    pid_t pid = file ? fork() : -1;
    if (pid < 0)
        throw Failure{ExitCode::BuildFailed, log.string() + ": " + strerror(errno)};
    if (pid > 0) {
        setpgid(pid, pid);
        return pid;
    }
    setpgid(0, 0);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    signal(SIGPIPE, SIG_DFL);
    UniqueFd nothing{open("/dev/null", O_RDONLY)};
    dup2(nothing.get(), STDIN_FILENO);
    dup2(file.get(), STDOUT_FILENO);
    dup2(file.get(), STDERR_FILENO);
    std::vector<char*> raw;
    for (const std::string& argument : arguments)
        raw.push_back(const_cast<char*>(argument.c_str()));
    raw.push_back(nullptr);
    execvp(raw[0], raw.data());
    _exit(127);
}

int wait_or_stop(pid_t pid, StopSignals& stop)
{
    UniqueFd process{static_cast<int>(syscall(SYS_pidfd_open, pid, 0))};
    pollfd waits[2] = {{process.get(), POLLIN, 0}, {stop.fd(), POLLIN, 0}};
    while (poll(waits, 2, -1) < 0 && errno == EINTR) {
    }
    bool stopped = !waits[0].revents && stop.take() != 0;
    if (stopped)
        kill(-pid, SIGKILL);
    int status = wait_for_process(pid);
    if (stopped)
        StopSignals::interrupted();
    return status;
}

void build(const KernelSource& source, const fs::path& sources, const fs::path& folder, const fs::path& log, StopSignals& stop)
{
    need_program("make", "build-essential");
    int status = wait_or_stop(spawn_make({"make", "-s", "-C", sources.string(), "KDIR=" + source.tree.string(), "OUT=" + folder.string()}, log), stop);
    if (status == 0)
        return;
    std::ostringstream text;
    text << std::ifstream{log}.rdbuf();
    std::cerr << last_lines(text.str(), 20);
    throw Failure{ExitCode::BuildFailed, "no graft can be built from " + source.tree.string() + ": the compiler's last words are above, all of them in " + log.string()};
}

} // namespace

std::string graft_key(const KernelSource& source, const fs::path& sources)
{
    Sum sum;
    sum.add(source.release);
    for (const char* file : {".config", "Module.symvers"})
        sum.add_file(source.tree / file);
    std::string id = build_id(source.tree / "vmlinux");
    if (id.empty())
        sum.add_file(source.image);
    else
        sum.add(id);
    std::vector<fs::path> files;
    for (const fs::path& folder : {sources, sources / "../include/colinux"})
        for (const auto& entry : fs::directory_iterator{folder})
            if (entry.is_regular_file())
                files.push_back(entry.path());
    std::ranges::sort(files);
    for (const fs::path& file : files)
        sum.add_file(file);
    return sum.text();
}

fs::path graft_of_tree(const KernelSource& source, StopSignals& stop, const std::function<void(const std::string&)>& tell)
{
    std::string sources = find_shared("graft");
    if (sources.empty())
        throw Failure{ExitCode::Internal, "the graft's sources are not installed: apt-get install colinux-dkms, or run cmake --install again"};
    fs::path cache = cache_folder(), kept = cache / graft_key(source, sources);
    fs::path graft = kept / source.release / "graft.o";
    if (!fs::exists(graft)) {
        tell("building the graft of " + source.release + " from " + source.tree.string());
        std::error_code error;
        fs::create_directories(cache, error);
        std::string unfinished = (cache / (kUnfinished + std::string{"XXXXXX"})).string();
        if (!mkdtemp(unfinished.data()))
            throw Failure{ExitCode::BuildFailed, unfinished + ": " + strerror(errno) + ": set COLINUX_CACHE_DIR to a folder of yours"};
        fs::path log = cache / "last-build.log";
        chmod(unfinished.c_str(), 0755);
        try {
            build(source, sources, fs::path{unfinished} / source.release, log, stop);
            fs::remove_all(fs::path{unfinished} / source.release / "build");
        } catch (...) {
            fs::remove_all(unfinished, error);
            throw;
        }
        fs::rename(unfinished, kept, error);
        if (error)
            fs::remove_all(unfinished); // another one was faster
        forget_old_ones(cache);
    }
    if (std::string place = who_else_could_write(graft); !place.empty())
        throw Failure{ExitCode::NoGraft, "graft " + graft.string() + " is code for ring 0, and others than root can write to " + place + ": remove it, or chown root " +
                                             place + "; chmod go-w " + place};
    return kept;
}

} // namespace colinux
