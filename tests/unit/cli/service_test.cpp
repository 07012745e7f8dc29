// SPDX-License-Identifier: GPL-2.0
// A guest as a service: what the manager is told, over a socket of the test's own; and what `colinux service` asks of a systemctl
// of the test's own.
#include "cli/commands.hpp"
#include "cli/service.hpp"
#include "cli/service_notifier.hpp"
#include "control/failure.hpp"
#include "tests/fakes/patience.hpp"

#include <CLI/CLI.hpp>
#include <gtest/gtest.h>

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace colinux {
namespace {

namespace fs = std::filesystem;

std::string content(const fs::path& file)
{
    std::ostringstream text;
    text << std::ifstream{file}.rdbuf();
    return text.str();
}

class Folder {
public:
    Folder()
    {
        char path[] = "/tmp/colinux-test-XXXXXX";
        path_ = mkdtemp(path);
    }
    ~Folder() { fs::remove_all(path_); }
    fs::path operator/(const std::string& name) const { return path_ / name; }

private:
    fs::path path_;
};

// The manager's end of $NOTIFY_SOCKET.
class Manager {
public:
    explicit Manager(const std::string& path) : socket_{socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)}
    {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        memcpy(address.sun_path, path.data(), path.size());
        if (path[0] == '@')
            address.sun_path[0] = '\0';
        auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
        EXPECT_EQ(bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
        setenv("NOTIFY_SOCKET", path.c_str(), 1);
    }
    ~Manager() { unsetenv("NOTIFY_SOCKET"); }

    // The next message; empty: none came.
    std::string next() const
    {
        char text[4096];
        if (!becomes_readable(socket_.get()))
            return "";
        ssize_t bytes = recv(socket_.get(), text, sizeof text, 0);
        return {text, static_cast<std::size_t>(std::max<ssize_t>(bytes, 0))};
    }
    // The next that begins so.
    std::string next_of(const std::string& beginning) const
    {
        std::string text;
        do
            text = next();
        while (!text.empty() && !text.starts_with(beginning));
        return text;
    }

private:
    UniqueFd socket_;
};

TEST(ServiceNotifier, TellsOverPathsAndAbstractNames)
{
    Folder folder;
    for (const std::string& path : {(folder / "notify").string(), "@colinux-test-" + std::to_string(getpid())}) {
        Manager manager{path};
        ServiceNotifier notifier;
        EXPECT_EQ(getenv("NOTIFY_SOCKET"), nullptr) << "what is started from here on would speak for us";
        notifier.ready("runs");
        EXPECT_EQ(manager.next(), "READY=1\nSTATUS=runs\n");
        notifier.stopping("goes");
        EXPECT_EQ(manager.next(), "STOPPING=1\nSTATUS=goes\n");
        notifier.status("two\nREADY=1");
        EXPECT_EQ(manager.next(), "STATUS=two READY=1\n");
    }
}

TEST(ServiceNotifier, SaysOnceThatNobodyIsThere)
{
    std::string too_long = "/" + std::string(200, 'x');
    for (const std::string& path : {std::string{"/nowhere/notify"}, too_long, std::string{"vsock:2:1"}}) {
        setenv("NOTIFY_SOCKET", path.c_str(), 1);
        ServiceNotifier notifier;
        testing::internal::CaptureStderr();
        notifier.status("one");
        notifier.status("two");
        std::string said = testing::internal::GetCapturedStderr();
        EXPECT_TRUE(said.starts_with("colinux: the service manager cannot be told anything: NOTIFY_SOCKET=" + path)) << said;
        EXPECT_EQ(std::ranges::count(said, '\n'), 1);
    }
}

TEST(ServiceNotifier, WatchdogIsForTheProcessThatItNames)
{
    auto period_with = [](const char* pid, const char* period) {
        setenv("NOTIFY_SOCKET", "/nowhere", 1);
        setenv("WATCHDOG_USEC", period, 1);
        setenv("WATCHDOG_PID", pid, 1);
        return ServiceNotifier{}.watchdog().count();
    };
    EXPECT_EQ(period_with(std::to_string(getpid()).c_str(), "3000000"), 3000000);
    EXPECT_EQ(period_with("1", "3000000"), 0);
    EXPECT_EQ(period_with("", "3000000"), 3000000);
    EXPECT_EQ(period_with("", "soon"), 0);
    unsetenv("NOTIFY_SOCKET");
}

// `colinux start --foreground web` in a process of its own, with the daemon of fake_colinuxd.cpp.
class Foreground : public testing::Test {
protected:
    Foreground()
    {
        for (const char* name : {"CONFIG", "STATE", "RUN"})
            setenv((std::string{"COLINUX_"} + name + "_DIR").c_str(), (folder_ / name).c_str(), 1);
        fs::create_directories(folder_ / "CONFIG");
        setenv("WATCHDOG_USEC", "3000", 1);
    }
    ~Foreground() override { unsetenv("WATCHDOG_USEC"); }

    void start(const std::string& words)
    {
        std::ofstream{folder_ / "CONFIG/web.toml"} << "kernel = \"/nowhere/vmlinuz\"\nappend = \"" << words << "\"\n";
        pid_ = fork();
        if (pid_ == 0)
            _exit(serve());
    }
    int exit_code() const
    {
        int status = 0;
        waitpid(pid_, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }

    Folder folder_;
    Manager manager_{(folder_ / "notify").string()};
    pid_t pid_{};

private:
    static int serve()
    {
        CLI::App app;
        int code = 0;
        add_start(app, code);
        try {
            app.parse(std::vector<std::string>{"web", "--foreground", "start"});
        } catch (const Failure& failure) {
            code = static_cast<int>(failure.code());
        }
        return code;
    }
};

TEST_F(Foreground, TellsTheManagerFromStartToPowerOff)
{
    start("healthy");
    EXPECT_EQ(manager_.next(), "STATUS=memory 40 %\n");
    EXPECT_TRUE(manager_.next().starts_with("READY=1\nSTATUS=runs"));
    EXPECT_EQ(manager_.next(), "WATCHDOG=1\n");
    EXPECT_EQ(manager_.next(), "WATCHDOG=1\n");
    kill(pid_, SIGTERM);
    EXPECT_EQ(manager_.next_of("STOPPING"), "STOPPING=1\nSTATUS=asked to shut down\n");
    EXPECT_EQ(exit_code(), 0);
}

TEST_F(Foreground, EndsAsItsGuestDoes)
{
    start("panics");
    EXPECT_TRUE(manager_.next_of("READY").starts_with("READY=1\n"));
    EXPECT_EQ(exit_code(), static_cast<int>(ExitCode::GuestPanic));
}

TEST_F(Foreground, ManagerHearsWhyAStartFailed)
{
    start("cannot_start");
    EXPECT_EQ(manager_.next(), "STATUS=memory 40 %\n");
    EXPECT_EQ(manager_.next(), "STATUS=no memory READY=1\n");
    EXPECT_EQ(exit_code(), static_cast<int>(ExitCode::MemoryNotFound));
}

// Where systemd would be; its systemctl writes down what it is asked, does the links, and fails when told.
class Service : public testing::Test {
protected:
    Service()
    {
        setenv("COLINUX_CONFIG_DIR", (folder_ / "config").c_str(), 1);
        for (const char* name : {"config", "bin", "running", "admin/multi-user.target.wants"})
            fs::create_directories(folder_ / name);
        std::ofstream{folder_ / "config/web.toml"} << "kernel = \"/nowhere/vmlinuz\"\n";
        std::ofstream{folder_ / "bin/systemctl"} << "#!/bin/sh\ncd '" << (folder_ / "").string() << "'\necho \"$*\" >>asked\n[ ! -e fails ] || exit 5\nfor unit; do :; done\n"
                                                 << "case $1 in enable) ln -s x admin/multi-user.target.wants/$unit ;; disable) rm admin/multi-user.target.wants/$unit ;;\n"
                                                 << "list-units) cat active 2>/dev/null || : ;; esac\n";
        fs::permissions(folder_ / "bin/systemctl", fs::perms::owner_all);
        path_ = getenv("PATH");
        setenv("PATH", ((folder_ / "bin").string() + ":" + path_).c_str(), 1);
    }
    ~Service() override { setenv("PATH", path_.c_str(), 1); }

    ExitCode code_of(const std::function<void()>& act)
    {
        try {
            act();
        } catch (const Failure& failure) {
            said_ = failure.what();
            return failure.code();
        }
        return ExitCode::Success;
    }
    std::string asked() const { return content(folder_ / "asked"); }

    Folder folder_;
    SystemdFolders systemd_{folder_ / "running", folder_ / "admin", {folder_ / "packaged"}};
    std::string path_, said_;
};

TEST_F(Service, InstallWritesTheTemplateAndRemoveTakesItBack)
{
    install_service("web", false, systemd_);
    EXPECT_EQ(asked(), "daemon-reload\nenable colinux@web.service\n");
    std::string text = content(folder_ / "admin/colinux@.service");
    EXPECT_NE(text.find("ExecStart=" + fs::read_symlink("/proc/self/exe").string() + " start --foreground %i\n"), std::string::npos) << text;
    EXPECT_TRUE(has_service("web", systemd_));
    EXPECT_EQ(code_of([&] { refuse_service("web", "rm", systemd_); }), ExitCode::ServiceUnfit);
    remove_service("web", true, systemd_);
    EXPECT_FALSE(fs::exists(folder_ / "admin/colinux@.service"));
    EXPECT_NE(asked().find("disable --now colinux@web.service\n"), std::string::npos);
    EXPECT_EQ(code_of([&] { remove_service("web", false, systemd_); }), ExitCode::NameUnknown);
    EXPECT_EQ(code_of([&] { refuse_service("web", "rm", systemd_); }), ExitCode::Success);
}

TEST_F(Service, TemplateStaysWhileAnInstanceRuns)
{
    install_service("web", true, systemd_);
    std::ofstream{folder_ / "active"} << "colinux@web.service loaded active running coLinux guest web\n";
    remove_service("web", false, systemd_);
    EXPECT_TRUE(fs::exists(folder_ / "admin/colinux@.service")) << "without it systemd would stop the guest by force";
}

TEST_F(Service, PackagedTemplateAndTheAdministratorsOwnAreLeftAlone)
{
    std::ofstream{folder_ / "admin/colinux@.service"} << "[Service]\n";
    install_service("web", true, systemd_);
    remove_service("web", true, systemd_);
    EXPECT_EQ(content(folder_ / "admin/colinux@.service"), "[Service]\n");
    fs::remove(folder_ / "admin/colinux@.service");
    fs::create_directory(folder_ / "packaged");
    std::ofstream{folder_ / "packaged/colinux@.service"} << "[Service]\n";
    install_service("web", false, systemd_);
    EXPECT_FALSE(fs::exists(folder_ / "admin/colinux@.service"));
}

TEST_F(Service, MistakesLeaveNothing)
{
    EXPECT_EQ(code_of([&] { install_service("wbe", false, systemd_); }), ExitCode::NameUnknown);
    std::ofstream{folder_ / "fails"};
    EXPECT_EQ(code_of([&] { install_service("web", false, systemd_); }), ExitCode::ServiceUnfit);
    EXPECT_NE(said_.find("systemctl daemon-reload"), std::string::npos) << said_;
    fs::remove(folder_ / "fails");
    fs::remove(folder_ / "running");
    EXPECT_EQ(code_of([&] { install_service("web", false, systemd_); }), ExitCode::ServiceUnfit);
    EXPECT_NE(said_.find("colinux start --foreground NAME"), std::string::npos) << said_;
    EXPECT_FALSE(has_service("web", systemd_));
}

} // namespace
} // namespace colinux
