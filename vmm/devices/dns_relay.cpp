// SPDX-License-Identifier: GPL-2.0
// DnsRelay: RFC 1035 between a guest's frames (RFC 894, 791, 768) and sockets of the host's.
#include "vmm/devices/dns_relay.hpp"

#include <arpa/inet.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>

namespace colinux {
namespace {

constexpr std::size_t kIp = 14, kUdp = 34, kText = 42; // offsets in a frame without IP options
constexpr std::size_t kDnsHeader = 12, kLargestAnswer = 1500 - 28;
constexpr std::uint16_t kDnsPort = 53;
constexpr std::size_t kMostQuestions = 64; // a descriptor each
constexpr std::size_t kMostServers = 3;    // as the C library's MAXNS
constexpr std::chrono::milliseconds kPatience{2000}; // with one server; the guest asks again after five seconds

std::string u16(unsigned value) { return {static_cast<char>(value >> 8), static_cast<char>(value)}; }
std::string u32(std::uint32_t value) { return u16(value >> 16) + u16(value & 0xffff); }

unsigned get16(std::span<const std::byte> bytes, std::size_t at)
{
    return std::to_integer<unsigned>(bytes[at]) << 8 | std::to_integer<unsigned>(bytes[at + 1]);
}
std::uint32_t get32(std::span<const std::byte> bytes, std::size_t at) { return get16(bytes, at) << 16 | get16(bytes, at + 2); }

std::string text_of(std::span<const std::byte> bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

std::string ip_checksum(const std::string& header)
{
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < header.size(); i += 2)
        sum += get16(std::as_bytes(std::span{header}), i);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return u16(~sum & 0xffff);
}

// Each line of the file that begins with one of `keys`, its words behind that.
std::vector<std::vector<std::string>> entries(const std::string& path, std::initializer_list<std::string_view> keys)
{
    std::vector<std::vector<std::string>> found;
    std::ifstream file{path};
    for (std::string line; std::getline(file, line);) {
        std::istringstream words{line};
        std::string key;
        words >> key;
        if (std::ranges::find(keys, key) != keys.end())
            found.emplace_back(std::istream_iterator<std::string>{words}, std::istream_iterator<std::string>{});
    }
    return found;
}

// if_nametoindex(), by a socket of a kind that the daemon may make
unsigned interface_index(const std::string& name)
{
    ifreq request{};
    name.copy(request.ifr_name, IFNAMSIZ - 1);
    UniqueFd any{socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    return ioctl(any.get(), SIOCGIFINDEX, &request) == 0 ? static_cast<unsigned>(request.ifr_ifindex) : 0;
}

// An answer that says no more than "too long" (RFC 1035, 4.1.1, TC), with the question, which whoever asked compares.
std::string cut_off(const std::string& answer, const std::string& question)
{
    std::size_t end = kDnsHeader;
    while (end < question.size() && question[end] != 0)
        end += 1 + static_cast<std::uint8_t>(question[end]); // a label; there are no pointers in questions
    std::string asked = end + 5 <= question.size() ? question.substr(kDnsHeader, end + 5 - kDnsHeader) : "";
    std::string flags{answer[2], answer[3]};
    flags[0] = static_cast<char>(flags[0] | 2);
    return answer.substr(0, 2) + flags + u16(asked.empty() ? 0 : 1) + u16(0) + u16(0) + u16(0) + asked;
}

} // namespace

DnsRelay::DnsRelay(std::uint32_t address, std::string resolv_conf, std::uint16_t servers_port)
    : address_{address}, resolv_conf_{std::move(resolv_conf)}, servers_port_{servers_port}
{
}

std::vector<std::string> DnsRelay::search_domains(const std::string& resolv_conf)
{
    auto lines = entries(resolv_conf, {"search", "domain"});
    std::vector<std::string> domains = lines.empty() ? std::vector<std::string>{} : lines.back(); // the last one counts: resolv.conf(5)
    std::erase_if(domains, [](const std::string& domain) { return domain == "." || domain.size() > 253; });
    return domains;
}

std::vector<DnsRelay::Server> DnsRelay::servers() const
{
    std::vector<Server> found;
    auto add = [&](const void* address, std::size_t bytes) {
        found.push_back({{}, static_cast<socklen_t>(bytes)});
        std::memcpy(&found.back().address, address, bytes);
    };
    for (const auto& words : entries(resolv_conf_, {"nameserver"})) {
        std::string text = words.empty() ? "" : words[0], scope;
        if (std::size_t percent = text.find('%'); percent != std::string::npos) {
            scope = text.substr(percent + 1);
            text.resize(percent);
        }
        sockaddr_in v4{.sin_family = AF_INET, .sin_port = htons(servers_port_), .sin_addr = {}, .sin_zero = {}};
        sockaddr_in6 v6{};
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(servers_port_);
        v6.sin6_scope_id = scope.empty() ? 0 : interface_index(scope);
        if (inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1)
            add(&v4, sizeof v4);
        else if (inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr) == 1)
            add(&v6, sizeof v6);
    }
    if (found.empty()) { // so does the C library
        sockaddr_in own{.sin_family = AF_INET, .sin_port = htons(servers_port_), .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
        add(&own, sizeof own);
    }
    found.resize(std::min(found.size(), kMostServers));
    return found;
}

bool DnsRelay::take(std::span<const std::byte> frame)
{
    bool ours = frame.size() >= kText && get16(frame, 12) == 0x0800 && std::to_integer<unsigned>(frame[kIp]) == 0x45 &&
                (get16(frame, kIp + 6) & 0x3fff) == 0 && std::to_integer<unsigned>(frame[kIp + 9]) == IPPROTO_UDP &&
                get32(frame, kIp + 16) == address_ && get16(frame, kUdp + 2) == kDnsPort;
    if (!ours)
        return false;
    std::size_t bytes = get16(frame, kUdp + 4);
    if (bytes < 8 + kDnsHeader || kUdp + bytes > frame.size())
        return true;
    if (questions_.size() == kMostQuestions)
        questions_.pop_front(); // the oldest: whoever asked has given up, or asks again
    questions_.push_back({text_of(frame.subspan(6, 6)), get32(frame, kIp + 12), static_cast<std::uint16_t>(get16(frame, kUdp)),
                          text_of(frame.subspan(kText, bytes - 8)), servers()});
    if (!ask_next(questions_.back()))
        questions_.pop_back();
    return true;
}

bool DnsRelay::ask_next(Question& question)
{
    while (!question.servers.empty()) {
        Server server = question.servers.front();
        question.servers.erase(question.servers.begin());
        // A socket each: a port that nobody guesses, and no answers but from this server
        question.socket = UniqueFd{socket(server.address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
        if (question.socket && connect(question.socket.get(), reinterpret_cast<sockaddr*>(&server.address), server.bytes) == 0 &&
            send(question.socket.get(), question.text.data(), question.text.size(), 0) >= 0) {
            question.until = Clock::now() + kPatience;
            return true;
        }
    }
    return false;
}

std::size_t DnsRelay::prepare(std::vector<pollfd>& descriptors, std::uint32_t& timeout_ms) const
{
    for (const Question& question : questions_) {
        descriptors.push_back({question.socket.get(), POLLIN, 0});
        auto left = std::chrono::ceil<std::chrono::milliseconds>(question.until - Clock::now()).count();
        timeout_ms = static_cast<std::uint32_t>(std::min<std::int64_t>(timeout_ms, std::max<std::int64_t>(left, 0)));
    }
    return questions_.size();
}

void DnsRelay::dispatch(std::span<const pollfd> descriptors, const std::function<void(std::span<const std::byte>)>& deliver)
{
    std::erase_if(questions_, [&](Question& question) {
        auto found = std::ranges::find(descriptors, question.socket.get(), &pollfd::fd);
        if (found == descriptors.end())
            return false;
        if (found->revents) {
            std::array<char, 65536> bytes;
            ssize_t count = recv(question.socket.get(), bytes.data(), bytes.size(), 0);
            bool answers = count >= static_cast<ssize_t>(kDnsHeader) && std::memcmp(bytes.data(), question.text.data(), 2) == 0; // the question's number
            if (answers) {
                std::string frame = frame_of(question, {bytes.data(), static_cast<std::size_t>(count)});
                deliver(std::as_bytes(std::span{frame}));
                return true;
            }
            if (count < 0 && errno != EAGAIN && errno != EINTR)
                return !ask_next(question); // nobody listens there
        }
        return Clock::now() >= question.until && !ask_next(question);
    });
}

std::string DnsRelay::frame_of(const Question& question, std::string answer) const
{
    if (answer.size() > kLargestAnswer)
        answer = cut_off(answer, question.text);
    std::string udp = u16(kDnsPort) + u16(question.port) + u16(static_cast<unsigned>(8 + answer.size())) + u16(0) + answer;
    std::string ip = std::string{"\x45\0", 2} + u16(static_cast<unsigned>(20 + udp.size())) + u32(0) + std::string{64, IPPROTO_UDP} + u16(0) +
                     u32(address_) + u32(question.from);
    ip.replace(10, 2, ip_checksum(ip));
    return question.mac + "\x52\x55" + u32(address_) + u16(0x0800) + ip + udp; // libslirp's hosts have such addresses
}

} // namespace colinux
