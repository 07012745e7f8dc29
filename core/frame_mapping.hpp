// SPDX-License-Identifier: GPL-2.0
// FrameMapping: where the core reads and writes a frame, while this exists. A host that has all memory at some address anyway
// (Linux's direct map) has nothing to do for it; another one has addresses to give back.
#pragma once

#include "base/address.hpp"

#include <colinux/host_os.h>

#include <utility>

namespace colinux {

class FrameMapping {
public:
    FrameMapping() = default;
    explicit FrameMapping(Phys frame) : address_{co_os_frame_map(frame.value)} {}
    FrameMapping(FrameMapping&& other) : address_{std::exchange(other.address_, nullptr)} {}
    FrameMapping& operator=(FrameMapping&& other)
    {
        std::swap(address_, other.address_);
        return *this;
    }
    ~FrameMapping() { unmap(); }

    void unmap() // before the frame is freed
    {
        if (address_)
            co_os_frame_unmap(std::exchange(address_, nullptr));
    }
    explicit operator bool() const { return address_; }
    template <typename T>
    T* as() const
    {
        return static_cast<T*>(address_);
    }

private:
    void* address_{};
};

} // namespace colinux
