// SPDX-License-Identifier: GPL-2.0
// SocketPair: a console client of the test: one end for the hub, the other to type and read with.
#pragma once

#include "control/unique_fd.hpp"
#include "tests/fakes/patience.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <string>
#include <string_view>

namespace colinux {

class SocketPair {
public:
    SocketPair()
    {
        int fds[2] = {-1, -1};
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0) {
            here_ = UniqueFd{fds[0]};
            there_ = UniqueFd{fds[1]};
        }
    }

    UniqueFd take_other_end() { return std::move(there_); }
    int fd() const { return here_.get(); }
    void type(std::string_view text) const { send(fd(), text.data(), text.size(), MSG_NOSIGNAL); }
    void hang_up() { here_.reset(); }

    // Reads until `bytes` have come or the other end closes; what there is when nothing more comes in all of kPatience.
    std::string read(std::size_t bytes) const
    {
        std::string text;
        char buffer[4096];
        while (text.size() < bytes && becomes_readable(fd())) {
            ssize_t got = recv(fd(), buffer, std::min(sizeof buffer, bytes - text.size()), 0);
            if (got <= 0)
                break;
            text.append(buffer, static_cast<std::size_t>(got));
        }
        return text;
    }

private:
    UniqueFd here_, there_;
};

} // namespace colinux
