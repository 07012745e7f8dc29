// SPDX-License-Identifier: GPL-2.0
// ConsoleRing: the daemon's side of struct co_console_ring (include/colinux/boot_info.h): the guest's
// primary console, from its first line to its last. The graft writes the structure too and may be
// hostile: sizes and our own positions are kept here, its positions are only ever differences.
#pragma once

#include "control/guest_memory.hpp"
#include "vmm/devices/console_endpoint.hpp"
#include "vmm/sys/linux/event_fd.hpp"

#include <colinux/boot_info.h>
#include <colinux/passage.h>

#include <cstdint>

namespace colinux {

class LineBinder;

class ConsoleRing final : public ConsoleEndpoint {
public:
    // Guest memory that a ring takes, page-aligned; it must not be in the guest's e820 RAM.
    static std::uint64_t bytes_needed();

    // Formats the memory at `phys` (co_boot_info.console_ring). Failure: Internal when it is not RAM.
    ConsoleRing(const GuestMemory& memory, std::uint64_t phys);

    void bind(LineBinder& binder) const; // CO_DOORBELL_CONSOLE and CO_IRQ_LINE_CONSOLE

    void connect(EventLoop& hub_loop, ConsoleOutput output) override;
    void disconnect(EventLoop& hub_loop) override;
    void drain() override;
    std::size_t write_input(std::string_view typed) override;
    void resize(std::uint16_t rows, std::uint16_t columns) override;

private:
    co_console_ring* ring_;
    char* input_;
    std::uint64_t tail_{};
    std::uint64_t input_head_{};
    EventFd doorbell_; // guest -> us: new text
    EventFd irq_;      // us -> guest: input or a new size
    ConsoleOutput output_;
};

} // namespace colinux
