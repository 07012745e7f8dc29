// SPDX-License-Identifier: GPL-2.0
#include "core/guest_list.hpp"

#include "core/arch/x86_64/cpu.hpp"
#include "core/interrupts_off.hpp"

namespace colinux {

class GuestList::Hold {
public:
    explicit Hold(std::atomic_flag& flag) : flag_{flag}
    {
        while (flag_.test_and_set(std::memory_order_acquire))
            cpu::barrier();
    }
    ~Hold() { flag_.clear(std::memory_order_release); }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

private:
    InterruptsOff off_;
    std::atomic_flag& flag_;
};

void GuestList::add(Monitor& monitor)
{
    Hold hold{held_};
    monitor.next_guest = first_;
    first_ = &monitor;
    count_.fetch_add(1);
}

void GuestList::remove(Monitor& monitor)
{
    Hold hold{held_};
    Monitor** link = &first_;
    while (*link != &monitor)
        link = &(*link)->next_guest;
    *link = monitor.next_guest;
    count_.fetch_sub(1);
}

void GuestList::kill_all(unsigned reason)
{
    Hold hold{held_};
    for (Monitor* monitor = first_; monitor; monitor = monitor->next_guest)
        monitor->kill(reason, 0);
}

void GuestList::set_clocks()
{
    Hold hold{held_};
    for (Monitor* monitor = first_; monitor; monitor = monitor->next_guest)
        monitor->request_clock();
}

} // namespace colinux
