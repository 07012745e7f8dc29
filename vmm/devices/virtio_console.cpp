// SPDX-License-Identifier: GPL-2.0
// VirtioConsole: receive queue 0 is the guest's keyboard, transmit queue 1 its screen.
#include "vmm/devices/virtio_console.hpp"

#include "vmm/sys/linux/event_loop.hpp"

#include <linux/virtio_console.h>

#include <algorithm>

namespace colinux {
namespace {

constexpr std::size_t kInputBytes = 64 << 10;

} // namespace

std::uint32_t VirtioConsole::type() const { return VIRTIO_ID_CONSOLE; }
std::uint64_t VirtioConsole::features() const { return 1u << VIRTIO_CONSOLE_F_SIZE; }

std::vector<std::byte> VirtioConsole::config() const
{
    std::lock_guard lock{mutex_};
    virtio_console_config config{};
    config.cols = columns_;
    config.rows = rows_;
    config.max_nr_ports = 1;
    auto bytes = bytes_of(config);
    return {bytes.begin(), bytes.end()};
}

void VirtioConsole::activate(std::vector<Virtqueue*> queues, DriverLink& link, std::uint64_t)
{
    receive_ = queues[0];
    transmit_ = queues[1];
    link_ = &link;
    link_->change_config(config()); // the terminal may have changed since boot
}

void VirtioConsole::reset()
{
    receive_ = transmit_ = nullptr;
    link_ = nullptr;
}

bool VirtioConsole::process(unsigned index)
{
    if (index == 1)
        return transmit();
    deliver_input();
    return false;
}

bool VirtioConsole::transmit()
{
    bool more = transmit_->drain(chain_, [this](DescriptorChain& chain) {
        if (output_) {
            for (GuestBuffer text : chain.readable)
                output_({reinterpret_cast<const char*>(text.data()), text.size()});
        }
        transmit_->push_used(chain.head, 0);
    });
    notify_driver(*transmit_, *link_);
    return more;
}

void VirtioConsole::deliver_input()
{
    if (!receive_)
        return;
    std::lock_guard lock{mutex_};
    while (!input_.empty() && receive_->pop_or_expect_doorbell(chain_)) {
        std::size_t written = chain_.write(std::as_bytes(std::span{input_}));
        receive_->push_used(chain_.head, static_cast<std::uint32_t>(written));
        input_.erase(0, written);
    }
    notify_driver(*receive_, *link_);
}

void VirtioConsole::connect(EventLoop& hub_loop, ConsoleOutput output)
{
    output_ = [&hub_loop, output = std::move(output)](std::string_view text) {
        hub_loop.call([&] { output(text); }); // waits: a flood slows its own device down
    };
}

std::size_t VirtioConsole::write_input(std::string_view typed)
{
    std::size_t taken;
    {
        std::lock_guard lock{mutex_};
        taken = std::min(typed.size(), kInputBytes - input_.size());
        input_.append(typed.substr(0, taken));
    }
    loop_->post([this] { deliver_input(); });
    return taken;
}

void VirtioConsole::resize(std::uint16_t rows, std::uint16_t columns)
{
    {
        std::lock_guard lock{mutex_};
        rows_ = rows;
        columns_ = columns;
    }
    loop_->post([this] {
        if (link_)
            link_->change_config(config());
    });
}

} // namespace colinux
