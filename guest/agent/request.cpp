// SPDX-License-Identifier: GPL-2.0
#include "request.hpp"

#include <charconv>
#include <cstring>

namespace colinux::agent {

namespace {

bool set(Request& request, std::string_view key, std::string_view value)
{
    if (key == "arg")
        request.arguments.emplace_back(value);
    else if (key == "env" && value.find('=') != std::string_view::npos && value.front() != '=')
        request.environment.emplace_back(value);
    else if (key == "user" && !value.empty())
        request.user = value;
    else if (key == "dir")
        request.directory = value;
    else if (key == "stdin" && value == "1")
        request.has_stdin = true;
    else if (key == "tty" && parse_size(value, request.rows, request.columns))
        request.has_tty = true;
    else
        return false;
    return true;
}

} // namespace

bool parse_size(std::string_view text, std::uint16_t& rows, std::uint16_t& columns)
{
    const char* end = text.data() + text.size();
    auto [cross, error] = std::from_chars(text.data(), end, rows);
    if (error != std::errc{} || cross == end || *cross != 'x')
        return false;
    auto [rest, second_error] = std::from_chars(cross + 1, end, columns);
    return second_error == std::errc{} && rest == end;
}

std::optional<Request> parse_request(std::string_view text, std::string& why)
{
    Request request;
    while (!text.empty()) {
        std::size_t end = text.find('\0');
        std::string_view line = text.substr(0, end);
        std::size_t equals = line.find('=');
        if (end == std::string_view::npos || equals == std::string_view::npos || !set(request, line.substr(0, equals), line.substr(equals + 1))) {
            why = "the agent in the guest does not understand '" + std::string{line.substr(0, 40)} + "': it is of another version than this command (docs/agent.md)";
            return std::nullopt;
        }
        text.remove_prefix(end + 1);
    }
    return request;
}

std::optional<Frame> FrameReader::next()
{
    co_agent_frame header;
    if (damaged_ || bytes_.size() < sizeof header)
        return std::nullopt;
    std::memcpy(&header, bytes_.data(), sizeof header);
    if (header.bytes > CO_AGENT_MAX_PAYLOAD || header.reserved != 0) {
        damaged_ = true;
        return std::nullopt;
    }
    if (bytes_.size() < sizeof header + header.bytes)
        return std::nullopt;
    Frame frame{header.type, bytes_.substr(sizeof header, header.bytes)};
    bytes_.erase(0, sizeof header + header.bytes);
    return frame;
}

void append_frame(std::string& to, unsigned type, std::string_view payload)
{
    do { // what is longer than a frame becomes several
        std::string_view piece = payload.substr(0, CO_AGENT_MAX_PAYLOAD);
        co_agent_frame header{static_cast<co_u32>(piece.size()), static_cast<co_u16>(type), 0};
        to.append(reinterpret_cast<const char*>(&header), sizeof header);
        to += piece;
        payload.remove_prefix(piece.size());
    } while (!payload.empty());
}

std::optional<std::uint32_t> number_in(std::string_view payload, std::size_t offset)
{
    std::uint32_t number;
    if (payload.size() < offset + sizeof number)
        return std::nullopt;
    std::memcpy(&number, payload.data() + offset, sizeof number);
    return number;
}

std::string bytes_of_number(std::uint32_t number) { return {reinterpret_cast<const char*>(&number), sizeof number}; }

} // namespace colinux::agent
