// SPDX-License-Identifier: GPL-2.0
// A guest's console behind a control server, for tests of who looks at it.
#pragma once

#include "vmm/control_server.hpp"
#include "vmm/devices/console_hub.hpp"

#include <atomic>
#include <cctype>
#include <string>

namespace colinux {

// Echoes in upper case.
class EchoingGuest final : public ConsoleEndpoint {
public:
    void connect(EventLoop&, ConsoleOutput output) override { output_ = std::move(output); }
    std::size_t write_input(std::string_view typed) override
    {
        std::string text{typed};
        for (char& c : text)
            c = static_cast<char>(toupper(c));
        output_(text);
        return typed.size();
    }
    void resize(std::uint16_t rows, std::uint16_t columns) override { size = rows * 1000 + columns; }

    std::atomic<int> size{};

private:
    ConsoleOutput output_;
};

class HubTarget final : public ControlTarget {
public:
    explicit HubTarget(ConsoleHub& hub) : hub_{hub} {}
    nlohmann::json status() override { return {}; }
    nlohmann::json stats() override { return {}; }
    nlohmann::json memory(std::optional<std::uint64_t>) override { return {}; }
    nlohmann::json report() override { return {}; }
    void dump(int, const DumpProgress&) override {}
    void stop(std::chrono::seconds) override {}
    void kill() override {}
    std::string logs() override { return ""; }
    void follow_logs(UniqueFd, std::uint64_t) override {}
    void resize(std::uint16_t rows, std::uint16_t columns) override { hub_.resize(rows, columns); }
    void attach_console(UniqueFd connection, const std::string& typed) override { hub_.attach(std::move(connection), typed); }
    void connect_port(UniqueFd&, std::uint32_t, const std::string&) override {}

private:
    ConsoleHub& hub_;
};

} // namespace colinux
