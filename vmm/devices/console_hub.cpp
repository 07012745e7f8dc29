// SPDX-License-Identifier: GPL-2.0
// ConsoleHub: fan-out, fan-in, and patience with slow readers.
#include "vmm/devices/console_hub.hpp"

#include "control/last_lines.hpp"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace colinux {
namespace {

constexpr std::uint64_t kContextBytes = 1024;    // shown again on attach, so that the screen is not empty
constexpr int kInputRetryMs = 10;                // the guest does not tell when it has read its input
constexpr int kGoodbyeMs = 200;
constexpr std::size_t kReadBytes = 4096;

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

} // namespace

ConsoleHub::ConsoleHub(ConsoleEndpoint& primary)
{
    loop_.attach(*this);
    connect(primary);
}

ConsoleHub::~ConsoleHub() { stop(); }

void ConsoleHub::connect(ConsoleEndpoint& primary)
{
    loop_.call([&] {
        primary_ = &primary;
        primary.connect(loop_, [this](std::string_view text) { add_text(text); });
        if (rows_ != 0)
            primary.resize(rows_, columns_);
    });
}

void ConsoleHub::disconnect()
{
    loop_.call([this] {
        primary_->drain();
        primary_->disconnect(loop_);
        primary_ = nullptr;
    });
}

void ConsoleHub::stop()
{
    loop_.call([this] {
        if (primary_)
            primary_->drain();
        say_goodbye();
    });
    loop_.stop();
}

void ConsoleHub::attach(UniqueFd client, std::string typed)
{
    loop_.post([this, fd = client.release(), typed = std::move(typed)] { add_client(UniqueFd{fd}, typed); });
}

void ConsoleHub::follow(UniqueFd client, std::uint64_t lines)
{
    loop_.post([this, fd = client.release(), lines] {
        UniqueFd mine{fd};
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
        std::string text = log_ ? log_->text() : "";
        clients_.push_back({.fd = std::move(mine),
                            .position = history_.end(),
                            .input_ended = true,
                            .follows = true,
                            .before = std::string{last_lines(text, lines)}});
        if (!send_to(clients_.back()))
            clients_.pop_back();
    });
}

std::string ConsoleHub::log_text()
{
    std::string text;
    loop_.call([&] { text = log_ ? log_->text() : ""; });
    return text;
}

void ConsoleHub::resize(std::uint16_t rows, std::uint16_t columns)
{
    loop_.post([this, rows, columns] {
        rows_ = rows;
        columns_ = columns;
        if (primary_)
            primary_->resize(rows, columns);
    });
}

void ConsoleHub::output(std::string_view text)
{
    loop_.call([this, text] { add_text(text); }); // waits: a flood slows its own device down
}

void ConsoleHub::add_text(std::string_view text)
{
    history_.append(text);
    if (log_)
        log_->append(text);
    std::erase_if(clients_, [this](Client& client) { return !send_to(client); });
}

void ConsoleHub::add_client(UniqueFd fd, const std::string& typed)
{
    fcntl(fd.get(), F_SETFL, fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
    std::uint64_t missed = std::max(seen_, history_.begin());
    clients_.push_back({std::move(fd), std::min(missed, history_.line_start(kContextBytes))});
    input_ += typed;
    feed_input();
    if (!send_to(clients_.back()))
        clients_.pop_back();
}

void ConsoleHub::prepare(std::vector<pollfd>& descriptors, int& timeout_ms)
{
    for (const Client& client : clients_) {
        short events = input_.empty() && !client.input_ended ? POLLIN : 0;
        if (is_behind(client))
            events |= POLLOUT;
        descriptors.push_back({client.fd.get(), events, 0});
    }
    if (!input_.empty())
        timeout_ms = kInputRetryMs;
}

void ConsoleHub::dispatch(std::span<const pollfd> descriptors)
{
    // Clients may have been dropped since prepare(): go by descriptor, not by place.
    std::erase_if(clients_, [&](Client& client) {
        auto found = std::ranges::find(descriptors, client.fd.get(), &pollfd::fd);
        if (found == descriptors.end())
            return false;
        if (found->revents & POLLIN && !read_from(client))
            return true;
        if (found->revents & (POLLHUP | POLLERR | POLLNVAL))
            return true;
        return (found->revents & POLLOUT) && !send_to(client);
    });
    feed_input();
}

bool ConsoleHub::read_from(Client& client)
{
    std::array<char, kReadBytes> buffer;
    ssize_t got = read(client.fd.get(), buffer.data(), buffer.size());
    if (got < 0)
        return would_block();
    client.input_ended = got == 0; // it may still listen
    input_.append(buffer.data(), static_cast<std::size_t>(got));
    return true;
}

bool ConsoleHub::is_behind(const Client& client) const
{
    return !client.before.empty() || client.position < history_.end();
}

// Of one that follows the log.
bool ConsoleHub::send_before(Client& client)
{
    while (!client.before.empty()) {
        ssize_t sent = write(client.fd.get(), client.before.data(), client.before.size());
        if (sent < 0)
            return would_block();
        client.before.erase(0, static_cast<std::size_t>(sent));
        if (client.before.empty() && client.missed != 0)
            client.before = left_out_line(std::exchange(client.missed, 0));
    }
    return true;
}

bool ConsoleHub::send_to(Client& client)
{
    if (client.position < history_.begin()) {
        client.missed += history_.begin() - client.position;
        client.position = history_.begin();
    }
    if (client.follows && client.before.empty() && client.missed != 0)
        client.before = left_out_line(std::exchange(client.missed, 0));
    if (!send_before(client))
        return false;
    while (client.before.empty() && client.position < history_.end()) {
        std::string_view piece = history_.piece(client.position);
        ssize_t sent = write(client.fd.get(), piece.data(), piece.size());
        if (sent < 0)
            return would_block();
        client.position += static_cast<std::uint64_t>(sent);
        if (!client.follows)
            seen_ = std::max(seen_, client.position);
    }
    return true;
}

void ConsoleHub::feed_input()
{
    if (!input_.empty() && primary_)
        input_.erase(0, primary_->write_input(input_));
}

void ConsoleHub::say_goodbye()
{
    for (Client& client : clients_) {
        pollfd writable{client.fd.get(), POLLOUT, 0};
        while (send_to(client) && is_behind(client) && poll(&writable, 1, kGoodbyeMs) == 1) {
        }
    }
    clients_.clear();
}

} // namespace colinux
