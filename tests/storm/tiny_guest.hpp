// SPDX-License-Identifier: GPL-2.0
// TinyGuest: a payload guest (tests/payloads) that really runs, made from the driver's calls. Everything may fail, since
// the host is short of memory or a signal came: then it is simply not made.
#pragma once

#include "objects.hpp"

#include <vector>

namespace storm {

using Image = std::vector<char>;

struct TinyGuest {
    static constexpr unsigned kVcpus = 2;
    int guest = -1;
    int vcpu = -1; // 0, with an entry
};

// Descriptors of a new guest, -1 each when it could not be made.
TinyGuest make_tiny_guest(Objects& objects, int device, const Image& image);

} // namespace storm
