// SPDX-License-Identifier: GPL-2.0
#include "cli/introspection.hpp"

#include "cli/definition_store.hpp"
#include "cli/image_store.hpp"
#include "control/failure.hpp"
#include "control/run_directory.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <iostream>
#include <memory>
#include <set>
#include <sstream>

namespace colinux {

namespace {

std::vector<const CLI::App*> visible_subcommands(const CLI::App& app)
{
    return app.get_subcommands([](const CLI::App* one) { return !one->get_group().empty(); });
}

std::vector<const CLI::Option*> options_of(const CLI::App& app)
{
    return app.get_options([](const CLI::Option* one) { return one->nonpositional() && !one->get_lnames().empty() && !one->get_group().empty(); });
}

const CLI::Option* find_option(const CLI::App& app, const std::string& word)
{
    for (const CLI::Option* option : options_of(app))
        for (const std::string& name : option->get_lnames())
            if (word == "--" + name)
                return option;
    return nullptr;
}

bool takes_value(const CLI::Option& option) { return option.get_items_expected_max() > 0 && option.get_type_size_max() > 0; }

// "TEXT:{restart,exit}", as CLI11 writes a choice
std::vector<Candidate> choices_of(const CLI::Option& option)
{
    std::string type = option.get_type_name();
    std::size_t open = type.find('{'), close = type.find('}');
    std::vector<Candidate> choices;
    if (open == std::string::npos || close == std::string::npos)
        return choices;
    std::istringstream list{type.substr(open + 1, close - open - 1)};
    for (std::string choice; std::getline(list, choice, ',');)
        choices.push_back({choice, ""});
    return choices;
}

void keep_matching(std::vector<Candidate>& candidates, const std::string& beginning)
{
    std::erase_if(candidates, [&](const Candidate& one) { return !one.word.starts_with(beginning); });
}

std::vector<std::string> guest_names()
{
    std::set<std::string> names;
    try {
        for (std::string& name : DefinitionStore{}.names())
            names.insert(std::move(name));
        for (std::string& name : RunDirectory{}.names())
            names.insert(std::move(name));
    } catch (const Failure&) {
        // who may not look gets no names
    }
    return {names.begin(), names.end()};
}

std::vector<std::string> image_names()
{
    std::set<std::string> names{"debian"}; // made where it is not there
    try {
        for (std::string& name : ImageStore{}.names())
            names.insert(std::move(name));
    } catch (const Failure&) {
        // as above
    }
    return {names.begin(), names.end()};
}

std::string roff(const std::string& text)
{
    std::string escaped;
    for (char c : text) {
        bool begins_line = escaped.empty() || escaped.back() == '\n';
        if (begins_line && (c == '.' || c == '\''))
            escaped += "\\&";
        if (c == '\\')
            escaped += "\\e";
        else if (c == '-')
            escaped += "\\-";
        else
            escaped += c;
    }
    return escaped;
}

std::string usage(const CLI::App& command, const std::string& name)
{
    std::string text = "colinux " + name;
    for (const CLI::Option* option : command.get_options({}))
        if (option->get_positional())
            text += " " + std::string{option->get_required() ? "" : "["} + option->get_name(true) + (option->get_required() ? "" : "]");
    return text + (options_of(command).size() > 1 ? " [OPTION]..." : ""); // beside --help
}

void add_command(std::string& page, const CLI::App& command, const std::string& name)
{
    std::vector<const CLI::App*> subcommands = visible_subcommands(command);
    for (const CLI::App* one : subcommands)
        add_command(page, *one, name + " " + one->get_name());
    if (!subcommands.empty())
        return;
    page += ".SS " + roff(usage(command, name)) + "\n" + roff(command.get_description()) + ".\n";
    for (const CLI::Option* option : command.get_options({})) {
        if (option->get_name() == "-h,--help" || option->get_description().empty())
            continue;
        std::string type = option->get_type_name().substr(0, option->get_type_name().find(':'));
        page += ".TP\n\\fB" + roff(option->get_positional() ? option->get_name(true) : option->get_name()) + "\\fR" +
                (!option->get_positional() && takes_value(*option) && !type.empty() ? " \\fI" + roff(type) + "\\fR" : "") + "\n" +
                roff(option->get_description()) + (option->get_default_str().empty() ? "" : roff(" (default: " + option->get_default_str() + ")")) + "\n";
    }
    if (!command.get_footer().empty())
        page += ".PP\n.nf\n" + roff(command.get_footer().substr(command.get_footer().find_first_not_of('\n'))) + "\n.fi\n";
}

constexpr const char* kEnd = R"(.SH EXIT STATUS
0 when the command did what was asked; for \fBrun\fR, \fBwait\fR and \fBstart \-\-foreground\fR: the guest powered itself off. Every other code comes with one line
that names the thing and, where there is one, the cure. /usr/share/doc/colinux/exit\-codes.md lists them all.
.SH FILES
.TP
/etc/colinux/NAME.toml
guests that are written down: /usr/share/doc/colinux/config.md
.TP
/run/colinux/NAME.sock
control socket of a guest that runs: /usr/share/doc/colinux/control\-socket.md
.TP
/var/log/colinux/NAME.log
what the guest printed on its console
.TP
/var/lib/colinux/NAME
disks that \fBclone\fR and \fBcreate \-\-image\fR made
.TP
/var/lib/colinux/images
images that are known by a name: /usr/share/doc/colinux/images.md
.SH SEE ALSO
.BR colinux\-daemon (1),
.BR systemctl (1)
)";

} // namespace

std::vector<Candidate> completions(const CLI::App& app, const std::vector<std::string>& words, const std::vector<std::string>& guests,
                                   const std::vector<std::string>& images)
{
    const CLI::App* command = &app;
    const CLI::Option* value_of = nullptr;
    const std::string beginning = words.empty() ? "" : words.back();
    std::size_t positionals = 0;
    for (std::size_t i = 0; i + 1 < words.size(); i++) {
        std::vector<const CLI::App*> subcommands = visible_subcommands(*command);
        auto named = std::ranges::find(subcommands, words[i], &CLI::App::get_name);
        const CLI::Option* option = value_of ? nullptr : find_option(*command, words[i]);
        if (!value_of && !option && named != subcommands.end())
            command = *named;
        else if (!value_of && !option)
            positionals++;
        value_of = option && takes_value(*option) ? option : nullptr;
    }
    std::vector<Candidate> candidates;
    if (value_of) {
        candidates = choices_of(*value_of);
    } else if (beginning.starts_with("-")) {
        for (const CLI::Option* option : options_of(*command))
            candidates.push_back({"--" + option->get_lnames()[0], option->get_description()});
    } else {
        for (const CLI::App* one : visible_subcommands(*command))
            candidates.push_back({one->get_name(), one->get_description()});
        std::vector<const CLI::Option*> places = command->get_options([](const CLI::Option* one) { return one->get_positional(); });
        bool more = !places.empty() && (positionals < places.size() || places.back()->get_items_expected_max() > 1);
        std::string place = more ? places[std::min(positionals, places.size() - 1)]->get_name(true) : "";
        if (place == "NAME" && command->get_name() != "create")
            for (const std::string& guest : guests)
                candidates.push_back({guest, "guest"});
        if (place == "IMAGE" && command->get_name() != "import") // a new name
            for (const std::string& image : images)
                candidates.push_back({image, "image"});
    }
    keep_matching(candidates, beginning);
    return candidates;
}

std::string manual_page(const CLI::App& app, const std::string& version)
{
    std::string page = ".\\\" Made by `colinux manual` from the command's own tables.\n.TH COLINUX 1 \"\" \"colinux " + version + "\" \"User Commands\"\n"
                       ".SH NAME\ncolinux \\- run unmodified Linux kernels beside this one\n.SH SYNOPSIS\n.B colinux\n\\fICOMMAND\\fR [\\fIOPTION\\fR]...\n"
                       ".SH DESCRIPTION\n" + roff(app.get_description()) + "\nA guest kernel in ring 0 is as trusted as the host's: it can read and write all memory.\n.SH COMMANDS\n";
    for (const CLI::App* one : visible_subcommands(app))
        add_command(page, *one, one->get_name());
    return page + kEnd;
}

void add_introspection(CLI::App& app, int& exit_code)
{
    auto words = std::make_shared<std::vector<std::string>>();
    CLI::App* complete = app.add_subcommand("complete", "What may stand in place of the last WORD: one line each, with a tabulator and what it means")->group("");
    complete->prefix_command(); // whatever comes, options too, is a word
    complete->set_help_flag();
    complete->callback([&app, complete, &exit_code] {
        for (const Candidate& one : completions(app, complete->remaining(), guest_names(), image_names()))
            std::cout << one.word << "\t" << one.description << "\n";
        exit_code = 0;
    });
    CLI::App* manual = app.add_subcommand("manual", "This command's manual page")->group("");
    manual->callback([&app, &exit_code] {
        std::cout << manual_page(app, COLINUX_VERSION);
        exit_code = 0;
    });
}

} // namespace colinux
