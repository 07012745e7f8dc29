// SPDX-License-Identifier: GPL-2.0
// DnsRelay: a guest's name server. libslirp's own takes the host's first IPv4 server only. This one asks the servers of the host's
// resolv.conf, read again for each question, one after the other, over IPv4 or IPv6: so a guest follows a laptop from network to
// network. UDP only; DNS over TCP is libslirp's. An answer that does not fit one packet is cut off (TC), and the guest asks by TCP.
#pragma once

#include "control/unique_fd.hpp"

#include <netinet/in.h>
#include <poll.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <span>
#include <string>
#include <vector>

namespace colinux {

class DnsRelay {
public:
    static constexpr const char* kResolvConf = "/etc/resolv.conf";

    // `address`: IPv4, in the host's byte order.
    explicit DnsRelay(std::uint32_t address, std::string resolv_conf = kResolvConf, std::uint16_t servers_port = 53);

    // The host's `search` or `domain`, now.
    static std::vector<std::string> search_domains(const std::string& resolv_conf = kResolvConf);

    // One whole Ethernet frame of the guest's, in our own memory. True: it was a question to us, and is dealt with.
    bool take(std::span<const std::byte> frame);

    // As PollSource's; prepare() returns how many descriptors it added. Answers go to `deliver` as frames.
    std::size_t prepare(std::vector<pollfd>& descriptors, std::uint32_t& timeout_ms) const;
    void dispatch(std::span<const pollfd> descriptors, const std::function<void(std::span<const std::byte>)>& deliver);

private:
    using Clock = std::chrono::steady_clock;
    struct Server {
        sockaddr_storage address;
        socklen_t bytes;
    };
    struct Question {
        std::string mac; // the guest's
        std::uint32_t from;
        std::uint16_t port;
        std::string text;
        std::vector<Server> servers; // those that are left
        UniqueFd socket{};
        Clock::time_point until{};
    };

    std::vector<Server> servers() const;
    static bool ask_next(Question& question); // false: nobody is left
    std::string frame_of(const Question& question, std::string answer) const;

    std::uint32_t address_;
    std::string resolv_conf_;
    std::uint16_t servers_port_;
    std::list<Question> questions_;
};

} // namespace colinux
