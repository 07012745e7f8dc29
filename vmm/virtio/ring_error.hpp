// SPDX-License-Identifier: GPL-2.0
// RingError: the guest's driver broke a rule of the virtio specification in a way that leaves no
// sensible way on. Thrown where it is found, caught once per device (DeviceSlot), which then shows
// DEVICE_NEEDS_RESET. The daemon and the other devices go on.
#pragma once

#include <stdexcept>

namespace colinux {

class RingError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

} // namespace colinux
