// SPDX-License-Identifier: GPL-2.0
#include "vmm/startup_report.hpp"

#include <poll.h>
#include <unistd.h>

namespace colinux {

using nlohmann::json;

void StartupReport::progress(const std::string& text) { line({{"event", "progress"}, {"text", text}}, text); }

void StartupReport::error(const Failure& failure)
{
    line({{"event", "error"}, {"code", static_cast<int>(failure.code())}, {"message", failure.what()}}, failure.what());
}

bool StartupReport::ready(const std::string& name)
{
    return line({{"event", "ready"}, {"name", name}, {"pid", getpid()}}, "guest " + name + " runs");
}

void StartupReport::restarted()
{
    pollfd writable{pipe_.get(), POLLOUT, 0};
    if (!pipe_ || (poll(&writable, 1, 0) == 1 && writable.revents & POLLOUT))
        line({{"event", "restarted"}}, "the guest has rebooted");
}

void StartupReport::ended(const GuestEnd& end)
{
    json event = end_fields(end);
    event["event"] = "ended";
    line(event, "the guest has ended: " + end.reason);
}

bool StartupReport::line(const json& event, const std::string& for_person)
{
    std::lock_guard lock{mutex_};
    std::string text =
        pipe_ ? event.dump(-1, ' ', false, json::error_handler_t::replace) + "\n" : "colinuxd: " + for_person + "\n";
    return write(pipe_ ? pipe_.get() : STDERR_FILENO, text.data(), text.size()) >= 0 || !pipe_;
}

} // namespace colinux
