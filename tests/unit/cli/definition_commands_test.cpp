// SPDX-License-Identifier: GPL-2.0
// create, ls, inspect, set, config, clone, rename, rm and what start says beforehand, in folders of the test's own.
#include "cli/commands.hpp"
#include "cli/definition_store.hpp"
#include "cli/disk_copy.hpp"
#include "cli/stop_signals.hpp"
#include "control/disk_file.hpp"
#include "control/failure.hpp"
#include "control/run_directory.hpp"

#include <CLI/CLI.hpp>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace colinux {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Words = std::vector<std::string>;

class DefinitionCommands : public testing::Test {
protected:
    DefinitionCommands()
    {
        char path[] = "/tmp/colinux-test-XXXXXX";
        folder_ = mkdtemp(path);
        for (const char* name : {"CONFIG", "STATE", "RUN"})
            setenv((std::string{"COLINUX_"} + name + "_DIR").c_str(), (folder_ + "/" + name).c_str(), 1);
        unsetenv("COLINUX_LOG_DIR");
        fs::create_directory(folder_ + "/RUN");
    }
    ~DefinitionCommands() override { fs::remove_all(folder_); }

    // Exit code; what was said is in said_.
    ExitCode colinux(Words words)
    {
        CLI::App app;
        int exit_code = 0;
        add_definitions(app, exit_code);
        add_start(app, exit_code);
        add_copies(app, exit_code);
        std::ranges::reverse(words);
        testing::internal::CaptureStdout();
        testing::internal::CaptureStderr();
        try {
            app.parse(words);
            said_.clear();
        } catch (const Failure& failure) {
            said_ = failure.what();
            exit_code = static_cast<int>(failure.code());
        }
        fflush(stdout);
        said_ += testing::internal::GetCapturedStdout() + testing::internal::GetCapturedStderr();
        return static_cast<ExitCode>(exit_code);
    }
    std::string file(const std::string& name) const
    {
        std::ifstream stream{DefinitionStore{}.path(name)};
        std::stringstream text;
        text << stream.rdbuf();
        return text.str();
    }
    void write_down(const std::string& name, const std::string& text) const
    {
        fs::create_directories(DefinitionStore{}.folder());
        std::ofstream{DefinitionStore{}.path(name)} << text;
    }
    std::string disk(const std::string& text) const
    {
        std::string path = folder_ + "/disk";
        std::ofstream{path} << text;
        fs::resize_file(path, 8 << 20);
        return path;
    }
    static std::size_t files(const std::string& folder) { return static_cast<std::size_t>(std::distance(fs::directory_iterator{folder}, {})); }

    std::string folder_, said_;
};

TEST_F(DefinitionCommands, CreateWritesWhatItsOptionsSay)
{
    EXPECT_EQ(colinux({"create", "web", "--memory", "1G", "--disk", "relative.raw,ro", "--net", "slirp,forward=tcp:8080:80", "--autostart"}), ExitCode::Success) << said_;
    GuestDefinition definition = DefinitionStore{}.load("web");
    EXPECT_EQ(definition.machine.name, "web");
    EXPECT_EQ(definition.machine.memory_bytes, 1ull << 30);
    EXPECT_EQ(definition.machine.disks.at(0).path, fs::absolute("relative.raw"));
    EXPECT_TRUE(definition.machine.disks[0].read_only);
    EXPECT_EQ(definition.machine.nets.at(0).forwards.at(0).host_port, 8080);
    EXPECT_TRUE(definition.autostart);
    EXPECT_EQ(files(DefinitionStore{}.folder()), 1u);
}

TEST_F(DefinitionCommands, CreateRefusesNamesThatAreTakenOrBad)
{
    write_down("web", "mine");
    EXPECT_EQ(colinux({"create", "web", "--disk", "/d"}), ExitCode::NameTaken);
    EXPECT_EQ(file("web"), "mine");
    EXPECT_EQ(colinux({"create", "../web", "--disk", "/d"}), ExitCode::Usage);
    EXPECT_EQ(colinux({"create", "guest1", "--disk", "/d"}), ExitCode::Usage);
    EXPECT_EQ(colinux({"create", "other"}), ExitCode::KernelMissing); // neither kernel nor disk
    EXPECT_EQ(colinux({"create", "other", "--disk", "/d", "--memory", "8M"}), ExitCode::MemorySize);
    EXPECT_EQ(files(DefinitionStore{}.folder()), 1u);
}

TEST_F(DefinitionCommands, LsListsGoodOnesAndOthers)
{
    colinux({"create", "web", "--disk", "/d", "--cpus", "2"});
    write_down("bad", "memroy = 1");
    EXPECT_EQ(colinux({"ls", "--json"}), ExitCode::Success);
    json all = json::parse(said_);
    ASSERT_EQ(all.size(), 2u);
    EXPECT_NE(all[0].value("problem", "").find("bad.toml:1:1:"), std::string::npos);
    EXPECT_EQ(all[1]["name"], "web");
    EXPECT_EQ(all[1]["state"], "stopped");
    EXPECT_EQ(all[1]["cpus"], 2);
    EXPECT_EQ(colinux({"ls"}), ExitCode::Success);
    EXPECT_NE(said_.find("web              stopped     2     512M no         /d"), std::string::npos) << said_;
}

TEST_F(DefinitionCommands, InspectShowsDefinitionAndState)
{
    colinux({"create", "web", "--disk", "/d"});
    NameClaim running{RunDirectory{}, "web"};
    EXPECT_EQ(colinux({"inspect", "web"}), ExitCode::Success);
    json all = json::parse(said_);
    EXPECT_EQ(all["definition"]["disk"][0]["path"], "/d");
    EXPECT_EQ(all["state"], "starting");
    EXPECT_EQ(colinux({"inspect", "other"}), ExitCode::NameUnknown);
    EXPECT_NE(said_.find("there are: web"), std::string::npos) << said_;
}

TEST_F(DefinitionCommands, SetChangesAllOrNothing)
{
    write_down("web", "# mine\nmemory = \"1G\"\n[[disk]]\npath = \"/d\"\n");
    EXPECT_EQ(colinux({"set", "web", "memory=2G", "disk[0].read_only=true"}), ExitCode::Success) << said_;
    std::string after = "# mine\nmemory = \"2G\"\n[[disk]]\nread_only = true\npath = \"/d\"\n";
    EXPECT_EQ(file("web"), after);
    EXPECT_EQ(colinux({"set", "web", "memory=4G", "cpus=0"}), ExitCode::DefinitionInvalid);
    EXPECT_EQ(colinux({"set", "web", "memory=4G", "cpus"}), ExitCode::Usage);
    EXPECT_EQ(file("web"), after);
    EXPECT_EQ(colinux({"set", "other", "cpus=1"}), ExitCode::NameUnknown);
    NameClaim running{RunDirectory{}, "web"};
    EXPECT_EQ(colinux({"set", "web", "cpus=2"}), ExitCode::Success);
    EXPECT_NE(said_.find("next start"), std::string::npos);
}

TEST_F(DefinitionCommands, ConfigChecksAndShows)
{
    write_down("web", "[[disk]]\npath = \"/d\"\n");
    EXPECT_EQ(colinux({"config", "check"}), ExitCode::Success);
    EXPECT_EQ(said_, "");
    EXPECT_EQ(colinux({"config", "show", "web", "--json"}), ExitCode::Success);
    EXPECT_EQ(json::parse(said_)["memory"], "512M");
    EXPECT_EQ(colinux({"config", "show", DefinitionStore{}.path("web")}), ExitCode::Success);
    EXPECT_EQ(said_.substr(0, 12), "kernel = \"\"\n");
    write_down("bad", "memroy = 1\ncpus = \"x\"");
    EXPECT_EQ(colinux({"config", "check"}), ExitCode::DefinitionInvalid);
    EXPECT_EQ(std::ranges::count(said_, '\n'), 2);
    EXPECT_EQ(colinux({"config", "check", "web"}), ExitCode::Success);
    EXPECT_EQ(colinux({"config", "check", "/nowhere.toml"}), ExitCode::NameUnknown);
    EXPECT_EQ(colinux({"config", "check", "/dev/null"}), ExitCode::DefinitionInvalid);
}

TEST_F(DefinitionCommands, CloneHasCopiesOfWhatCanBeWritten)
{
    std::string path = disk("data");
    write_down("web", "# mine\n[[disk]]\npath = \"" + path + "\"\n[[disk]]\npath = \"/shared\"\nread_only = true\n");
    EXPECT_EQ(colinux({"clone", "web", "test"}), ExitCode::Success) << said_;
    std::string copy = DefinitionStore{}.state_folder("test") + "/disk0.raw";
    EXPECT_EQ(file("test"), "# mine\n[[disk]]\npath = \"" + copy + "\"\n[[disk]]\npath = \"/shared\"\nread_only = true\n");
    EXPECT_EQ(fs::file_size(copy), 8u << 20);
    std::string text(4, ' ');
    std::ifstream{copy}.read(text.data(), 4);
    EXPECT_EQ(text, "data");
    struct stat status{};
    ASSERT_EQ(stat(copy.c_str(), &status), 0);
    EXPECT_LT(status.st_blocks, 1000); // holes are holes
    EXPECT_EQ(colinux({"clone", "web", "test"}), ExitCode::NameTaken);
    EXPECT_EQ(files(folder_ + "/RUN"), 0u);
}

TEST_F(DefinitionCommands, CloneThatFailsLeavesNothing)
{
    std::string path = disk("data");
    write_down("web", "[[disk]]\npath = \"" + path + "\"\n[[disk]]\npath = \"/dev/colinux/nowhere\"\n");
    EXPECT_EQ(colinux({"clone", "web", "test"}), ExitCode::DiskMissing);
    EXPECT_FALSE(fs::exists(DefinitionStore{}.state_folder("test")));
    EXPECT_FALSE(DefinitionStore{}.contains("test"));
    NameClaim running{RunDirectory{}, "web"};
    EXPECT_EQ(colinux({"clone", "web", "test"}), ExitCode::GuestRuns);
}

TEST_F(DefinitionCommands, RenameTakesAlongWhatBelongsToIt)
{
    write_down("web", "[[disk]]\npath = \"" + disk("data") + "\"\n");
    colinux({"clone", "web", "test"});
    std::ofstream{RunDirectory{}.log_path("test")} << "log";
    EXPECT_EQ(colinux({"rename", "test", "web"}), ExitCode::NameTaken);
    EXPECT_EQ(colinux({"rename", "test", "www"}), ExitCode::Success) << said_;
    EXPECT_EQ(DefinitionStore{}.names(), (Words{"web", "www"}));
    std::string path = DefinitionStore{}.load("www").machine.disks.at(0).path;
    EXPECT_EQ(path, DefinitionStore{}.state_folder("www") + "/disk0.raw");
    EXPECT_TRUE(fs::exists(path));
    EXPECT_TRUE(fs::exists(RunDirectory{}.log_path("www")));
    NameClaim running{RunDirectory{}, "www"};
    EXPECT_EQ(colinux({"rename", "www", "test"}), ExitCode::GuestRuns);
}

TEST_F(DefinitionCommands, RmLeavesDisksUnlessTold)
{
    write_down("web", "[[disk]]\npath = \"" + disk("data") + "\"\n");
    colinux({"clone", "web", "one"});
    colinux({"clone", "web", "two"});
    EXPECT_EQ(colinux({"rm", "one"}), ExitCode::Success);
    EXPECT_TRUE(fs::exists(DefinitionStore{}.state_folder("one")));
    EXPECT_EQ(colinux({"create", "one", "--disk", "/d"}), ExitCode::Success);
    EXPECT_EQ(colinux({"rm", "two", "--disks"}), ExitCode::Success);
    EXPECT_FALSE(fs::exists(DefinitionStore{}.state_folder("two")));
    EXPECT_EQ(colinux({"rm", "two"}), ExitCode::NameUnknown);
    NameClaim running{RunDirectory{}, "web"};
    EXPECT_EQ(colinux({"rm", "web"}), ExitCode::GuestRuns);
    EXPECT_NE(said_.find("colinux stop web"), std::string::npos);
    EXPECT_TRUE(fs::exists(folder_ + "/disk"));
}

TEST_F(DefinitionCommands, StartLooksBeforehand)
{
    EXPECT_EQ(colinux({"start", "web"}), ExitCode::NameUnknown);
    EXPECT_EQ(colinux({"start"}), ExitCode::Usage);
    EXPECT_EQ(colinux({"start", "--autostart"}), ExitCode::Success);
    write_down("web", "[[disk]]\npath = \"/dev/colinux/nowhere\"\n");
    EXPECT_EQ(colinux({"start", "web"}), ExitCode::DiskMissing);
    EXPECT_EQ(colinux({"start", "web", "other"}), ExitCode::DiskMissing);
    EXPECT_NE(said_.find("other: no guest named 'other'"), std::string::npos) << said_; // was tried, too
    NameClaim running{RunDirectory{}, "web"};
    EXPECT_EQ(colinux({"start", "web"}), ExitCode::NameTaken);
    write_down("web", "memroy = 1");
    EXPECT_EQ(colinux({"restart", "web"}), ExitCode::DefinitionInvalid);
}

TEST_F(DefinitionCommands, CopyOfADiskThatIsInUseIsRefused)
{
    StopSignals stop;
    std::string path = disk("data");
    DiskFile used = DiskFile::open({.path = path});
    EXPECT_THROW(copy_disk({.path = path}, folder_ + "/copy", stop), Failure);
    EXPECT_FALSE(fs::exists(folder_ + "/copy"));
}

} // namespace
} // namespace colinux
