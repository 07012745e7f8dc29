// SPDX-License-Identifier: GPL-2.0
// EventFd on eventfd(2).
#include "vmm/sys/linux/event_fd.hpp"

#include <sys/eventfd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>

namespace colinux {

EventFd::EventFd() : fd_{eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)}
{
    if (!fd_)
        throw std::system_error{errno, std::generic_category(), "eventfd"};
}

void EventFd::signal() const
{
    // EAGAIN means that the counter is full: then it is signalled anyway.
    std::uint64_t one = 1;
    [[maybe_unused]] ssize_t written = write(fd_.get(), &one, sizeof one);
}

bool EventFd::take() const
{
    std::uint64_t count = 0;
    return read(fd_.get(), &count, sizeof count) == sizeof count;
}

} // namespace colinux
