// SPDX-License-Identifier: GPL-2.0
#include "vmm/devices/memory_device.hpp"

#include "vmm/sys/linux/event_loop.hpp"

#include <colinux/transport.h>

#include <cerrno>
#include <cstring>

namespace colinux {

void MemoryDevice::begin(BlockOwner& owner)
{
    std::lock_guard lock{mutex_};
    owner_ = &owner;
    wanted_bytes_ = owner.present_bytes();
    settled_request_ = request_;
}

void MemoryDevice::want(std::uint64_t bytes)
{
    {
        std::lock_guard lock{mutex_};
        wanted_bytes_ = bytes;
        request_++;
    }
    loop_->post([this] {
        if (link_)
            link_->change_config(config());
    });
}

MemoryDevice::State MemoryDevice::state() const
{
    std::lock_guard lock{mutex_};
    return {wanted_bytes_, owner_->present_bytes(), link_ != nullptr, settled_request_ == request_};
}

std::uint32_t MemoryDevice::type() const { return CO_MEMORY_DEVICE; }

std::vector<std::byte> MemoryDevice::config() const
{
    std::lock_guard lock{mutex_};
    co_memory_config config{wanted_bytes_, owner_ ? owner_->present_bytes() : 0, request_};
    std::vector<std::byte> bytes(sizeof config);
    std::memcpy(bytes.data(), &config, sizeof config);
    return bytes;
}

void MemoryDevice::attach(EventLoop& loop) { loop_ = &loop; }

void MemoryDevice::activate(std::vector<Virtqueue*>, DriverLink& link, std::uint64_t)
{
    {
        std::lock_guard lock{mutex_};
        link_ = &link;
    }
    link.change_config(config()); // what was wanted while it booted
}

int MemoryDevice::request(std::uint64_t operation, std::uint64_t argument)
{
    int result = EINVAL;
    if (!link_)
        return result;
    if (operation == CO_DEVICE_SETTLED) {
        std::lock_guard lock{mutex_};
        settled_request_ = argument;
        return 0;
    }
    if (operation == CO_DEVICE_GIVE_UP)
        result = owner_->give_up_block(argument);
    else if (operation == CO_DEVICE_TAKE_BACK)
        result = owner_->take_back_block(argument);
    if (result == 0)
        link_->answer_with_config(config());
    return result;
}

void MemoryDevice::reset()
{
    std::lock_guard lock{mutex_};
    link_ = nullptr;
}

} // namespace colinux
