// SPDX-License-Identifier: GPL-2.0
// No document names a subcommand or an option that the command does not have.
#include "cli/commands.hpp"
#include "cli/introspection.hpp"

#include <CLI/CLI.hpp>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <optional>
#include <regex>
#include <sstream>

namespace colinux {
namespace {

struct Command {
    std::string file, text; // the text begins behind the word `colinux`
    unsigned line;
};

// A command in a line of code ends where a comment, a second column or the rest of a pipe begins.
std::string without_what_follows(const std::string& text)
{
    static const std::regex kEnd{"\\s#|\\s{3,}|[|>;`]|&&|\\)"};
    std::smatch end;
    return std::regex_search(text, end, kEnd) ? end.prefix().str() : text;
}

// Blocks of code, whose lines begin with the command, and code within text.
void gather(const std::filesystem::path& path, std::vector<Command>& found)
{
    static const std::regex kLine{"^\\s*(?:\\$ )?(?:sudo )?colinux ([a-zA-Z-].*)"}, kSpan{"`(?:sudo )?colinux ([a-zA-Z-][^`]*)`"};
    std::ifstream file{path};
    bool in_block = false;
    std::string text;
    for (unsigned line = 1; std::getline(file, text); ++line) {
        std::smatch command;
        if (text.starts_with("```"))
            in_block = !in_block;
        else if ((in_block || text.starts_with("    ")) && std::regex_match(text, command, kLine))
            found.push_back({path.filename(), without_what_follows(command[1]), line});
        else if (!in_block)
            for (std::sregex_iterator span{text.begin(), text.end(), kSpan}, end; span != end; ++span)
                found.push_back({path.filename(), without_what_follows((*span)[1]), line});
    }
}

std::vector<Command> commands_in_documents()
{
    std::vector<Command> found;
    for (const char* name : {"README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "CHANGELOG.md"})
        gather(std::filesystem::path{COLINUX_SOURCE_DIR} / name, found);
    for (const auto& entry : std::filesystem::directory_iterator{std::filesystem::path{COLINUX_SOURCE_DIR} / "docs"})
        if (entry.path().extension() == ".md")
            gather(entry.path(), found);
    return found;
}

bool is_placeholder(const std::string& word)
{
    return word == "…" || word == "..." || std::ranges::all_of(word, [](unsigned char c) { return std::isupper(c) || c == '_'; });
}

// The first word that the command would not understand. What is in brackets may be left out; `a|b` is cut off at the bar.
std::optional<std::string> not_understood(const CLI::App& whole, const std::string& text)
{
    const CLI::App* app = &whole;
    std::string plain = std::regex_replace(text, std::regex{"[\\[\\],]|\\.\\.\\.|…"}, " "), word;
    for (std::istringstream words{plain}; words >> word && word != "--";) {
        if (word.starts_with('-')) {
            if (!app->get_option_no_throw(word.substr(0, word.find('='))) && !whole.get_option_no_throw(word))
                return word;
            continue;
        }
        std::vector<const CLI::App*> below = app->get_subcommands([](const CLI::App* one) { return !one->get_group().empty(); });
        auto chosen = std::ranges::find(below, word, &CLI::App::get_name);
        if (chosen != below.end())
            app = *chosen;
        else if (!below.empty())
            return is_placeholder(word) ? std::nullopt : std::optional{word}; // `colinux COMMAND --help`
    }
    return std::nullopt;
}

class Documents : public testing::Test {
protected:
    Documents()
    {
        for (auto add : kCommands)
            add(app_, exit_code_);
        add_introspection(app_, exit_code_);
    }

    CLI::App app_{"test", "colinux"};
    int exit_code_{};
};

TEST_F(Documents, NameNoCommandOrOptionThatThereIsNot)
{
    std::vector<Command> commands = commands_in_documents();
    for (const Command& one : commands)
        if (auto word = not_understood(app_, one.text))
            ADD_FAILURE() << one.file << ":" << one.line << ": `colinux " << one.text << "`: no " << *word;
    EXPECT_GT(commands.size(), 100u) << "they are found";
}

TEST_F(Documents, WhatIsWrongIsFound)
{
    EXPECT_EQ(not_understood(app_, "run --disk debian.raw --net slirp"), std::nullopt);
    EXPECT_EQ(not_understood(app_, "exec g -- ls --color"), std::nullopt);
    EXPECT_EQ(not_understood(app_, "COMMAND --help"), std::nullopt);
    EXPECT_EQ(not_understood(app_, "image ls [--json]"), std::nullopt);
    EXPECT_EQ(not_understood(app_, "run --disc debian.raw"), "--disc");
    EXPECT_EQ(not_understood(app_, "ruin debian"), "ruin");
    EXPECT_EQ(not_understood(app_, "image shrink debian"), "shrink");
    EXPECT_EQ(not_understood(app_, "stats web --watsch"), "--watsch");
}

} // namespace
} // namespace colinux
