// SPDX-License-Identifier: GPL-2.0
#include "cli/original_options.hpp"

#include "cli/original_devices.hpp"
#include "control/failure.hpp"

#include <colinux/abi.h>
#include <colinux/passage.h>

#include <charconv>
#include <optional>

namespace colinux {

namespace {

[[noreturn]] void refuse(const std::string& what) { throw Failure{ExitCode::Usage, what}; }

// A number and what stands behind it.
std::optional<std::uint64_t> leading_number(std::string_view& text)
{
    std::uint64_t number{};
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{})
        return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return number;
}

class Parser {
public:
    explicit Parser(const std::string& folder) : devices_{folder} {}

    OriginalOptions parse(const std::vector<std::string>& words)
    {
        for (at_ = words.begin(), end_ = words.end(); at_ != end_; ++at_)
            if (!take_switch(*at_) && !take_setting(*at_))
                kernel_words_.push_back(*at_);
        devices_.finish(options_.config);
        constexpr std::string_view root = "root=";
        for (const std::string& word : kernel_words_) {
            std::string here = word.starts_with(root) ? std::string{root} + devices_.device_here(word.substr(root.size())) : word;
            options_.config.command_line += (options_.config.command_line.empty() ? "" : " ") + here;
        }
        options_.notes.insert(options_.notes.end(), devices_.notes().begin(), devices_.notes().end());
        return std::move(options_);
    }

private:
    using Action = OriginalOptions::Action;

    bool has_argument() const { return at_ + 1 != end_ && !(at_ + 1)->starts_with('-'); }

    std::string argument()
    {
        if (!has_argument())
            refuse(*at_ + ": a word is missing behind it");
        return *++at_;
    }

    bool act(Action action)
    {
        options_.action = action;
        options_.service = has_argument() && (at_ + 1)->find('=') == std::string::npos ? *++at_ : "colinux";
        return true;
    }

    bool take_switch(const std::string& word)
    {
        if (word == "-d")
            return options_.no_console = true;
        if (word == "-k")
            return options_.quiet = true;
        if (word == "-h")
            return options_.action = Action::Help, true;
        if (word == "-p")
            return options_.pid_file = devices_.file("-p", argument()), true;
        if (word == "-t")
            return options_.notes.push_back("-t " + argument() + ": the console is this terminal"), true;
        if (word == "-v") {
            std::string text = argument();
            std::string_view rest = text;
            std::optional<std::uint64_t> level = leading_number(rest);
            if (!level || *level > 99)
                refuse("-v " + text + ": expected a level, 0 to 3");
            return options_.verbosity = static_cast<unsigned>(*level), true;
        }
        if (word == "-c")
            refuse("-c " + argument() + ": XML files are no longer read, as in the original; take @FILE");
        if (word == "--install-service")
            return act(Action::InstallService);
        if (word == "--remove-service")
            return act(Action::RemoveService);
        if (word == "--run-service")
            return act(Action::RunService);
        for (auto [driver, instead] : {std::pair{"--install-driver", "modprobe colinux"}, {"--remove-driver", "rmmod colinux"}, {"--status-driver", "colinux doctor"}})
            if (word == driver)
                throw Failure{ExitCode::NotHere, word + ": the driver is a module of this host's kernel; take: " + instead};
        return false;
    }

    // KEY=VALUE; of the same one the last counts. False: it is the kernel's.
    bool take_setting(const std::string& word)
    {
        std::size_t equals = word.find('=');
        if (equals == std::string::npos)
            return false;
        std::string key = word.substr(0, equals), value = word.substr(equals + 1);
        if (key == "kernel")
            return options_.config.kernel = devices_.file(key, value), true;
        if (key == "initrd")
            return options_.config.initrd = devices_.file(key, value), true;
        if (key == "mem")
            return take_memory(value), true;
        if (key == "cocon")
            return take_console_size(value), true;
        if (key == "setcobd")
            return take_engine(value), true;
        return devices_.take(key, value);
    }

    void take_memory(const std::string& value)
    {
        std::string_view rest = value;
        std::optional<std::uint64_t> megabytes = leading_number(rest);
        if (!megabytes || *megabytes > (1u << 24) || (rest != "" && rest != "M" && rest != "MB"))
            refuse("mem=" + value + ": expected a number of megabytes, as mem=256");
        std::uint64_t bytes = *megabytes << 20;
        options_.config.memory_bytes = (bytes + CO_BLOCK_SIZE - 1) / CO_BLOCK_SIZE * CO_BLOCK_SIZE;
        if (options_.config.memory_bytes != bytes)
            options_.notes.push_back("mem=" + value + ": the guest gets " + std::to_string(options_.config.memory_bytes >> 20) + ", an even number");
    }

    void take_console_size(const std::string& value)
    {
        std::string_view rest = value;
        std::optional<std::uint64_t> columns = leading_number(rest), rows;
        if (!rest.empty()) {
            rest.remove_prefix(1); // ',' or 'x'
            rows = leading_number(rest);
        }
        if (!columns || !rows || !rest.empty() || *columns < 16 || *rows < 2 || *columns > 8192 || *rows > 8192 || *columns * *rows >= 16 * 1024)
            refuse("cocon=" + value + ": expected COLUMNSxROWS, at least 16x2, as cocon=120x40");
        options_.notes.push_back("cocon=" + value + ": the console has the size of this terminal");
    }

    void take_engine(const std::string& value)
    {
        if (value != "async" && value != "sync")
            refuse("setcobd=" + value + ": expected async or sync");
        if (value == "sync")
            options_.notes.push_back("setcobd=sync: disks work asynchronously; what the guest flushes is on the medium");
    }

    OriginalOptions options_;
    OriginalDevices devices_;
    std::vector<std::string> kernel_words_;
    std::vector<std::string>::const_iterator at_, end_;
};

} // namespace

std::vector<std::string> original_words(std::string_view file)
{
    std::vector<std::string> words;
    std::string word;
    bool quoted = false;
    for (std::size_t i = 0; i <= file.size(); i++) {
        unsigned char c = i < file.size() ? static_cast<unsigned char>(file[i]) : 0;
        bool blank = quoted ? c < 0x20 : c <= 0x20;
        if (!blank && c != '#') {
            word += static_cast<char>(c);
            quoted ^= c == '"';
            continue;
        }
        if (!word.empty())
            words.push_back(std::move(word));
        word.clear();
        quoted = false;
        if (c == '#')
            i = std::min(file.find('\n', i), file.size());
    }
    return words;
}

OriginalOptions parse_original(const std::vector<std::string>& arguments, const std::string& folder,
                               const std::function<std::string(const std::string&)>& read_file)
{
    std::vector<std::string> words;
    for (const std::string& argument : arguments) {
        if (!argument.starts_with('@')) {
            words.push_back(argument);
            continue;
        }
        for (std::string& word : original_words(read_file(argument.substr(1)))) {
            if (word.starts_with('@'))
                refuse(argument + " has " + word + " in it: give each file on the command line");
            words.push_back(std::move(word));
        }
    }
    return Parser{folder}.parse(words);
}

} // namespace colinux
