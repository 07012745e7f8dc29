// SPDX-License-Identifier: GPL-2.0
// Completion and manual page, over a command line of the test's own and over the whole command's.
#include "cli/introspection.hpp"

#include "cli/commands.hpp"

#include <CLI/CLI.hpp>
#include <gtest/gtest.h>

#include <algorithm>

namespace colinux {
namespace {

using Words = std::vector<std::string>;

class Introspection : public testing::Test {
protected:
    Introspection()
    {
        for (auto add : kCommands)
            add(app_, exit_code_);
        add_introspection(app_, exit_code_);
    }

    Words complete(const Words& words) const
    {
        Words found;
        for (const Candidate& one : completions(app_, words, {"web", "db"}, {"small"}))
            found.push_back(one.word);
        return found;
    }
    // Every subcommand that has none of its own, with the words that lead to it.
    std::vector<std::pair<Words, const CLI::App*>> leaves(const CLI::App& app, const Words& to = {}) const
    {
        std::vector<std::pair<Words, const CLI::App*>> all;
        for (const CLI::App* one : app.get_subcommands([](const CLI::App* command) { return !command->get_group().empty(); })) {
            Words path = to;
            path.push_back(one->get_name());
            std::vector<std::pair<Words, const CLI::App*>> below = leaves(*one, path);
            if (below.empty())
                all.emplace_back(path, one);
            all.insert(all.end(), below.begin(), below.end());
        }
        return all;
    }

    CLI::App app_{"test", "colinux"};
    int exit_code_{};
};

TEST_F(Introspection, ImagesAreCompletedWhereOneIsMeant)
{
    EXPECT_EQ(complete({"run", "s"}), Words{"small"});
    EXPECT_EQ(complete({"image", "rm", "small", "s"}), Words{"small"});
    EXPECT_EQ(complete({"image", "import", "rootfs.tar", "s"}), Words{});
}

TEST_F(Introspection, EveryOptionOfEveryCommandIsCompletedAndInTheManual)
{
    std::string page = manual_page(app_, "1");
    std::size_t options = 0;
    for (auto& [path, command] : leaves(app_))
        for (const CLI::Option* option : command->get_options([](const CLI::Option* one) { return !one->get_lnames().empty(); })) {
            Words words = path;
            words.push_back("--" + option->get_lnames()[0]);
            EXPECT_EQ(std::ranges::count(complete(words), words.back()), 1) << words.back();
            std::string in_roff = "\\fB";
            for (char c : words.back())
                in_roff += c == '-' ? "\\-" : std::string(1, c);
            if (words.back() != "--help")
                EXPECT_NE(page.find(in_roff), std::string::npos) << words.back();
            options++;
        }
    EXPECT_GT(options, 50u) << "the whole command's";
}

TEST_F(Introspection, CommandsGuestsAndChoices)
{
    EXPECT_EQ(complete({"sto"}), (Words{"stop"}));
    EXPECT_EQ(complete({"stop", ""}), (Words{"web", "db"}));
    EXPECT_EQ(complete({"stop", "w"}), (Words{"web"}));
    EXPECT_EQ(complete({"stop", "web", ""}), Words{}) << "it takes one";
    EXPECT_EQ(complete({"start", "web", "d"}), (Words{"db"})) << "it takes several";
    EXPECT_EQ(complete({"exec", "w"}), (Words{"web"}));
    EXPECT_EQ(complete({"exec", "web", "w"}), Words{}) << "a command of the guest's";
    EXPECT_EQ(complete({"create", "w"}), Words{}) << "a new name";
    EXPECT_EQ(complete({"service", "i"}), (Words{"install"}));
    EXPECT_EQ(complete({"run", "--on-reboot", ""}), (Words{"restart", "exit"}));
    EXPECT_EQ(complete({"run", "--kernel", "sto"}), Words{}) << "a file";
    EXPECT_EQ(complete({"run", "--detach", "--on-r"}), (Words{"--on-reboot"}));
    EXPECT_EQ(complete({"comp"}), Words{}) << "for scripts only";
    EXPECT_EQ(complete({"nothing", "of", "ours"}), Words{});
    EXPECT_FALSE(complete({}).empty());
}

TEST_F(Introspection, WhatIsCompletedIsNotDone)
{
    app_.require_subcommand(1); // as main() has it
    setenv("COLINUX_RUN_DIR", "/nowhere", 1);
    setenv("COLINUX_CONFIG_DIR", "/nowhere", 1);
    for (const Words& reversed : {Words{"nobody", "stop", "complete"}, Words{"--he", "complete"}, Words{"", "--no-wait", "stop", "complete"}}) {
        testing::internal::CaptureStdout();
        EXPECT_NO_THROW(app_.parse(Words{reversed}));
        EXPECT_EQ(testing::internal::GetCapturedStdout(), reversed[0] == "--he" ? "--help\tPrint this help message and exit\n" : "");
        app_.clear();
    }
}

TEST_F(Introspection, NoLineOfTheManualBecomesARequest)
{
    CLI::App app{".TH of mine", "colinux"};
    app.add_subcommand("x", "one\n'two \\n")->footer("\n.so /etc/passwd");
    std::string page = manual_page(app, "1");
    EXPECT_NE(page.find("\\&.TH of mine"), std::string::npos);
    EXPECT_NE(page.find("\n\\&'two \\en"), std::string::npos);
    EXPECT_NE(page.find("\n\\&.so /etc/passwd"), std::string::npos);
}

} // namespace
} // namespace colinux
