// SPDX-License-Identifier: GPL-2.0
// PatientOutput: writing to a standard stream without ever waiting in write() for a reader that has stopped reading: there no
// signal that is held back would be seen. The stream itself stays as it is, since others (the shell) share it.
#pragma once

#include "control/unique_fd.hpp"

#include <cstddef>
#include <string_view>

namespace colinux {

class PatientOutput {
public:
    explicit PatientOutput(int fd);

    int fd() const { return own_ ? own_.get() : fd_; } // to wait for, with POLLOUT
    // Bytes taken, 0 when the reader must be waited for; -1: nobody reads any more.
    std::ptrdiff_t write(std::string_view text) const;

private:
    int fd_;
    bool is_socket_;
    UniqueFd own_; // the same pipe or terminal, opened once more, not blocking
};

} // namespace colinux
