// SPDX-License-Identifier: GPL-2.0
// Request: what the host asks to be run, and the frames that it comes in (include/colinux/agent.h). Any bytes may come; nothing in
// here touches a descriptor, so that a fuzzer can reach all of it.
#pragma once

#include <colinux/agent.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace colinux::agent {

struct Request {
    std::vector<std::string> arguments; // none: a login shell
    std::vector<std::string> environment;
    std::string user{"root"};
    std::string directory; // empty: the user's home
    bool has_stdin{};
    bool has_tty{};
    std::uint16_t rows{}, columns{};
};

// The strings of all REQUEST frames. Empty: not understood, `why` says so.
std::optional<Request> parse_request(std::string_view text, std::string& why);

// "24x80"
bool parse_size(std::string_view text, std::uint16_t& rows, std::uint16_t& columns);

struct Frame {
    unsigned type;
    std::string payload;
};

// Cuts a byte stream into frames.
class FrameReader {
public:
    void add(const char* bytes, std::size_t count) { bytes_.append(bytes, count); }
    std::optional<Frame> next(); // none: more is to come, or the stream is damaged
    bool is_damaged() const { return damaged_; }

private:
    std::string bytes_;
    bool damaged_{};
};

void append_frame(std::string& to, unsigned type, std::string_view payload);

// A number of a payload, at `offset`; empty when it ends before.
std::optional<std::uint32_t> number_in(std::string_view payload, std::size_t offset = 0);
std::string bytes_of_number(std::uint32_t number);

} // namespace colinux::agent
