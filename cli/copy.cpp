// SPDX-License-Identifier: GPL-2.0
#include "cli/copy.hpp"

#include "cli/agent_session.hpp"
#include "cli/commands.hpp"
#include "cli/subprocess.hpp"
#include "control/failure.hpp"

#include <CLI/CLI.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <memory>

namespace colinux {

namespace {

// For busybox's tools, too. A link that is named itself is followed, those below are not.
constexpr const char* kPack = R"sh(set -e
[ -e "$1" ] || { echo "there is no $1" >&2; exit 1; }
real=$(realpath "$1")
[ "$real" != / ] || { echo "/ as a whole is not copied" >&2; exit 1; }
exec tar -c --numeric-owner -f - -C "$(dirname "$real")" "./$(basename "$real")"
)sh";

// Everything has come when the input ends: who packs ends it only then, else this here gets a signal.
constexpr const char* kUnpack = R"sh(set -e
fail() { echo "$1" >&2; exit 1; }
destination=$1 name=$2
case $destination in */) [ -d "$destination" ] || fail "there is no folder $destination";; esac
if [ "$name" != . ] && [ -d "$destination" ]; then destination=${destination%/}/$name; fi
folder=$destination; [ -d "$folder" ] || folder=$(dirname "$destination")
[ -d "$folder" ] || fail "there is no folder $folder"
making=$(mktemp -d "$folder/.colinux-cp.XXXXXX")
trap 'rm -rf "$making"' EXIT
trap 'exit 1' HUP INT TERM
tar -x -p --numeric-owner -f - -C "$making"
cat >/dev/null
made=$making/$(ls -A "$making")
[ -e "$made" ] && [ "$made" != "$making/" ] || fail "nothing came"
if [ ! -d "$destination" ]; then
    mv -f -T "$made" "$destination"
elif [ -d "$made" ]; then
    cp -a -l --remove-destination -T "$made" "$destination"
else
    fail "$destination is a folder"
fi
)sh";

// `script` in a process group of its own, with one pipe. If it is not waited for, it ends.
class LocalSide {
public:
    LocalSide(const std::vector<std::string>& command, int its_end)
    {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0)
            throw Failure{ExitCode::CopyFailed, "cp: no file descriptor left"};
        UniqueFd theirs{ends[its_end == STDIN_FILENO ? 0 : 1]};
        pipe_ = UniqueFd{ends[its_end == STDIN_FILENO ? 1 : 0]};
        pid_ = spawn_with_pipe(command, its_end, theirs.get());
    }
    ~LocalSide()
    {
        if (pid_ <= 0)
            return;
        kill(-pid_, SIGTERM); // before its input ends, which would mean that all has come
        wait();
    }
    LocalSide(const LocalSide&) = delete;

    int pipe() const { return pipe_.get(); }
    int wait()
    {
        pipe_.reset();
        return wait_for_process(std::exchange(pid_, -1));
    }

private:
    UniqueFd pipe_;
    pid_t pid_;
};

[[noreturn]] void fail(const std::string& source, const std::string& destination)
{
    throw Failure{ExitCode::CopyFailed, "cp: " + source + " was not copied to " + destination + ", of which nothing was changed (why, stands above)"};
}

int copy(const std::string& source_text, const std::string& destination_text)
{
    CopyEnd source = parse_copy_end(source_text), destination = parse_copy_end(destination_text);
    if (source.guest.empty() == destination.guest.empty())
        throw Failure{ExitCode::Usage, "cp: one of the two is to be in a guest: NAME:PATH (a path of this host that has a colon: ./a:b)"};
    bool into_guest = source.guest.empty();
    std::vector<std::string> pack = packing_command(source.path), unpack = unpacking_command(source.path, destination.path);
    const std::string& guest = into_guest ? destination.guest : source.guest;

    AgentRequest request;
    request.arguments = into_guest ? unpack : pack;
    request.has_stdin = into_guest;
    UniqueFd connection = connect_to_agent(guest);
    HeldSignals signals{SIGINT, SIGTERM, SIGHUP};
    LocalSide here{into_guest ? pack : unpack, into_guest ? STDOUT_FILENO : STDIN_FILENO};
    AgentSession::Streams streams{here.pipe(), STDERR_FILENO, STDERR_FILENO};
    if (!into_guest)
        streams.output = here.pipe();
    int packed = 0;
    if (into_guest)
        streams.before_input_ends = [&] { // without that word the guest throws away what it has
            if ((packed = here.wait()) != 0)
                fail(source_text, destination_text);
        };
    AgentEnd end;
    {
        AgentSession session{std::move(connection), guest, request, streams, &signals};
        end = session.run();
    }
    if (!end.refusal.empty())
        throw Failure{ExitCode::CopyFailed, "cp: guest " + guest + ": " + end.refusal};
    if (end.code != 0 || (!into_guest && here.wait() != 0))
        fail(source_text, destination_text);
    return 0;
}

std::string as_argument(const std::string& path) { return path.starts_with("-") ? "./" + path : path; }

} // namespace

CopyEnd parse_copy_end(const std::string& text)
{
    std::size_t colon = text.find(':');
    if (colon == std::string::npos || colon == 0 || text.find('/') < colon)
        return {"", text};
    return {text.substr(0, colon), colon + 1 == text.size() ? "." : text.substr(colon + 1)};
}

std::vector<std::string> packing_command(const std::string& source) { return {"/bin/sh", "-c", kPack, "colinux-cp", as_argument(source)}; }

std::vector<std::string> unpacking_command(const std::string& source, const std::string& destination)
{
    std::string name = source;
    while (name.size() > 1 && name.ends_with("/"))
        name.pop_back();
    name.erase(0, name.rfind('/') == std::string::npos ? 0 : name.rfind('/') + 1);
    if (name == "..")
        name = ".";
    return {"/bin/sh", "-c", kUnpack, "colinux-cp", as_argument(destination), name};
}

void add_copy(CLI::App& app, int& exit_code)
{
    auto source = std::make_shared<std::string>(), destination = std::make_shared<std::string>();
    CLI::App* command = app.add_subcommand("cp", "Copy a file or folder into a running guest, or out of it");
    command->footer("\nOwners (by number), modes, times and links are kept. Where DST is a folder, SRC becomes a thing in it, under its own name; of SRC/. what\n"
                    "is in it. What is interrupted leaves nothing. Both sides need tar.\n\nExamples:\n"
                    "  colinux cp site.conf web:/etc/nginx/conf.d\n  colinux cp web:/var/log/nginx ./logs");
    command->add_option("SRC", *source, "a path, or NAME:PATH in the guest NAME")->required();
    command->add_option("DST", *destination, "likewise")->required();
    command->callback([source, destination, &exit_code] { exit_code = copy(*source, *destination); });
}

} // namespace colinux
