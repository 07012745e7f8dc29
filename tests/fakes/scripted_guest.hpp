// SPDX-License-Identifier: GPL-2.0
// ScriptedGuest: what a guest does, as a list of calls. Each crossing plays the next step, which leaves a call in the
// mailbox; after the last one it powers off.
//
//   ScriptedGuest guest;
//   guest.calls(CO_CALL_SET_TIMER, {deadline}).then([](co_passage& page) { ... look around, fill page.mailbox ... });
#pragma once

#include <colinux/passage.h>

#include <array>
#include <deque>
#include <functional>

namespace colinux {

class ScriptedGuest {
public:
    using Step = std::function<void(co_passage&)>;
    using Arguments = std::array<co_u64, 4>;

    ScriptedGuest(); // becomes host().guest
    ScriptedGuest(const ScriptedGuest&) = delete;

    ScriptedGuest& then(Step step);
    ScriptedGuest& calls(co_u32 call, Arguments arguments = {}, co_u32 flags = 0);
    ScriptedGuest& accepts(co_u32 vector); // its CPU does; the guest hands it over
    unsigned steps_left() const { return steps_.size(); }

    static void leave(co_passage& page, co_u32 call, Arguments arguments = {}, co_u32 flags = 0);

private:
    std::deque<Step> steps_;
};

} // namespace colinux
