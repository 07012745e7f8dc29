// SPDX-License-Identifier: GPL-2.0
#include "tests/fakes/scripted_guest.hpp"

#include "tests/fakes/fake_host.hpp"

#include <algorithm>

namespace colinux {

ScriptedGuest::ScriptedGuest()
{
    host().guest = [this](co_passage& page) {
        if (steps_.empty())
            return leave(page, CO_CALL_POWER_OFF);
        Step step = steps_.front();
        steps_.pop_front();
        step(page);
    };
}

ScriptedGuest& ScriptedGuest::then(Step step)
{
    steps_.push_back(std::move(step));
    return *this;
}

ScriptedGuest& ScriptedGuest::calls(co_u32 call, Arguments arguments, co_u32 flags)
{
    return then([=](co_passage& page) { leave(page, call, arguments, flags); });
}

ScriptedGuest& ScriptedGuest::accepts(co_u32 vector)
{
    return then([=](co_passage& page) {
        host().in_service.insert(vector);
        leave(page, CO_CALL_INTERRUPT, {vector});
    });
}

void ScriptedGuest::leave(co_passage& page, co_u32 call, Arguments arguments, co_u32 flags)
{
    page.mailbox.call = call;
    page.mailbox.flags = flags;
    std::copy(arguments.begin(), arguments.end(), page.mailbox.arg);
}

} // namespace colinux
