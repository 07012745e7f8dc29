// SPDX-License-Identifier: GPL-2.0
#include "control/protocol.hpp"

#include <map>

namespace colinux {

using nlohmann::json;
using Call = ControlRequest::Call;

namespace {

const std::map<std::string, Call, std::less<>> kCalls{
    {"status", Call::Status}, {"stats", Call::Stats},     {"report", Call::Report}, {"dump", Call::Dump}, {"stop", Call::Stop}, {"kill", Call::Kill},
    {"wait", Call::Wait},     {"console", Call::Console}, {"logs", Call::Logs}, {"resize", Call::Resize}, {"connect", Call::Connect},
    {"memory", Call::Memory},
};

std::uint16_t terminal_size(const json& request, const char* key)
{
    auto value = request.find(key);
    if (value == request.end() || !value->is_number_unsigned() || value->get<std::uint64_t>() > 0xffff)
        throw Failure{ExitCode::ControlSocket, std::string{"resize: '"} + key + "' is to be a number from 0 to 65535"};
    return value->get<std::uint16_t>();
}

std::uint32_t guest_port(const json& request)
{
    auto port = request.find("port");
    if (port == request.end() || !port->is_number_unsigned() || port->get<std::uint64_t>() >= 0xffffffff)
        throw Failure{ExitCode::ControlSocket, "connect: 'port' is to be a number from 0 to 4294967294"};
    return port->get<std::uint32_t>();
}

std::optional<std::uint64_t> wanted_memory(const json& request)
{
    auto bytes = request.find("bytes");
    if (bytes == request.end())
        return std::nullopt;
    if (!bytes->is_number_unsigned() || bytes->get<std::uint64_t>() > 1ull << 52)
        throw Failure{ExitCode::ControlSocket, "memory: 'bytes' is to be a number of bytes"};
    return bytes->get<std::uint64_t>();
}

std::chrono::seconds stop_patience(const json& request)
{
    auto seconds = request.find("seconds");
    if (seconds == request.end())
        return kStopPatience;
    if (!seconds->is_number_unsigned() || seconds->get<std::uint64_t>() > 86'400)
        throw Failure{ExitCode::ControlSocket, "stop: 'seconds' is to be a number from 0 to 86400"};
    return std::chrono::seconds{seconds->get<std::uint64_t>()};
}

void read_log_wishes(const json& request, ControlRequest& parsed)
{
    if (auto lines = request.find("tail"); lines != request.end()) {
        if (!lines->is_number_unsigned())
            throw Failure{ExitCode::ControlSocket, "logs: 'tail' is to be a number of lines"};
        parsed.lines = lines->get<std::uint64_t>();
    }
    if (auto follow = request.find("follow"); follow != request.end()) {
        if (!follow->is_boolean())
            throw Failure{ExitCode::ControlSocket, "logs: 'follow' is to be true or false"};
        parsed.follow = follow->get<bool>();
    }
}

} // namespace

ControlRequest parse_request(std::string_view line)
{
    json request = json::parse(line, nullptr, false);
    if (!request.is_object() || !request.contains("call") || !request["call"].is_string())
        throw Failure{ExitCode::ControlSocket, "expected one JSON object with a field 'call' on a line"};
    auto known = kCalls.find(request["call"].get_ref<const std::string&>());
    if (known == kCalls.end())
        throw Failure{ExitCode::ControlSocket, "unknown call"};
    ControlRequest parsed{known->second};
    if (parsed.call == Call::Resize) {
        parsed.rows = terminal_size(request, "rows");
        parsed.columns = terminal_size(request, "columns");
    }
    if (parsed.call == Call::Connect)
        parsed.port = guest_port(request);
    if (parsed.call == Call::Memory)
        parsed.memory_bytes = wanted_memory(request);
    if (parsed.call == Call::Stop)
        parsed.patience = stop_patience(request);
    if (parsed.call == Call::Logs)
        read_log_wishes(request, parsed);
    return parsed;
}

std::string answer(json fields)
{
    fields["ok"] = true;
    return fields.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

std::string answer(const Failure& failure)
{
    json fields{{"ok", false}, {"code", static_cast<int>(failure.code())}, {"error", failure.what()}};
    return fields.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

json parse_answer(std::string_view line)
{
    json fields = json::parse(line, nullptr, false);
    if (!fields.is_object() || !fields.contains("ok") || !fields["ok"].is_boolean())
        throw Failure{ExitCode::ControlSocket, "the daemon's answer is not understood"};
    if (!fields["ok"].get<bool>()) {
        bool complete = fields.contains("code") && fields["code"].is_number_integer() && fields.contains("error") &&
                        fields["error"].is_string();
        throw Failure{complete ? static_cast<ExitCode>(fields["code"].get<int>()) : ExitCode::ControlSocket,
                      complete ? fields["error"].get<std::string>() : "the daemon refused"};
    }
    return fields;
}

void LineBuffer::add(std::string_view bytes)
{
    bytes_ += bytes;
    if (bytes_.find('\n') == std::string::npos && bytes_.size() >= kMaximumRequestBytes)
        throw Failure{ExitCode::ControlSocket, "a request is at most " + std::to_string(kMaximumRequestBytes) + " bytes long"};
}

std::optional<std::string> LineBuffer::next()
{
    std::size_t end = bytes_.find('\n');
    if (end == std::string::npos)
        return std::nullopt;
    std::string line = bytes_.substr(0, end);
    bytes_.erase(0, end + 1);
    return line;
}

std::string LineBuffer::take_rest() { return std::move(bytes_); }

} // namespace colinux
