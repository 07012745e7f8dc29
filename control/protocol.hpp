// SPDX-License-Identifier: GPL-2.0
// The control socket's language: one JSON object per line, a request and its answer. docs/control-socket.md
// is its description. Nothing in here touches a socket, so that a fuzzer can reach all of it.
#pragma once

#include "control/failure.hpp"
#include "control/last_lines.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace colinux {

inline constexpr std::chrono::seconds kStopPatience{90}; // that a guest has for its shutdown, unless told
inline constexpr std::size_t kMaximumRequestBytes = 4096; // a line with its newline

struct ControlRequest {
    enum class Call { Status, Stats, Report, Stop, Kill, Wait, Console, Logs, Resize, Dump, Connect, Memory };
    Call call{};
    std::uint16_t rows{}, columns{}; // Resize
    std::uint32_t port{};            // Connect: the guest's
    std::uint64_t lines{kAllLines};  // Logs: the last so many
    std::optional<std::uint64_t> memory_bytes{}; // Memory: the size that is wanted
    bool follow{};                   // Logs: then what is printed, until the guest ends
    std::chrono::seconds patience{kStopPatience}; // Stop: as long its power button is pressed again
};

// Failure{ControlSocket} with what is wrong. Any bytes may come.
ControlRequest parse_request(std::string_view line);

// Answers, newline included.
std::string answer(nlohmann::json fields = nlohmann::json::object());
std::string answer(const Failure& failure);

// The other side of answer(): the fields, or the Failure that the daemon reported.
nlohmann::json parse_answer(std::string_view line);

// Cuts a byte stream into lines.
class LineBuffer {
public:
    // Failure{ControlSocket} when a line grows beyond kMaximumRequestBytes.
    void add(std::string_view bytes);
    std::optional<std::string> next(); // without the newline
    std::string take_rest();           // what came behind the last line

private:
    std::string bytes_;
};

} // namespace colinux
