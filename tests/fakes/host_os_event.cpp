// SPDX-License-Identifier: GPL-2.0
// co_os_*: eventfds, as doorbells and as interrupt lines. See FakeHost: `eventfds` says which descriptors are one.
#include "tests/fakes/fake_host.hpp"

#include <vector>

using colinux::host;

CO_ABI co_os_event* co_os_event_get(co_s64 descriptor)
{
    host().may_sleep("event_get");
    if (!host().eventfds.contains(descriptor))
        return nullptr;
    ++host().handles;
    return host().events.emplace_back(new co_os_event{descriptor, 1, 0});
}

CO_ABI void co_os_event_put(co_os_event* event)
{
    host().may_sleep("event_put");
    --host().handles;
    std::erase(host().events, event);
    delete event;
}

CO_ABI void co_os_event_signal(co_os_event* event)
{
    host().record("event_signal", event->descriptor);
    ++event->signalled;
}

CO_ABI co_os_watch* co_os_event_watch(co_s64 descriptor, CO_ABI void (*raised)(void*, co_u32), void* context,
                                      co_u32 number)
{
    host().may_sleep("event_watch");
    if (!host().eventfds.contains(descriptor) || host().allocation_fails())
        return nullptr;
    ++host().handles;
    return host().watches.emplace_back(new co_os_watch{descriptor, raised, context, number});
}

CO_ABI void co_os_event_unwatch(co_os_watch* watch)
{
    host().may_sleep("event_unwatch");
    --host().handles;
    std::erase(host().watches, watch);
    delete watch;
}
