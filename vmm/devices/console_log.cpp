// SPDX-License-Identifier: GPL-2.0
#include "vmm/devices/console_log.hpp"

#include "control/failure.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace colinux {

namespace {

std::string read_at(int file, std::uint64_t offset, std::uint64_t bytes)
{
    std::string text(bytes, '\0');
    ssize_t count = pread(file, text.data(), bytes, static_cast<off_t>(offset));
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    return text;
}

std::uint64_t write_at(int file, std::uint64_t offset, std::string_view text)
{
    ssize_t count = pwrite(file, text.data(), text.size(), static_cast<off_t>(offset));
    return static_cast<std::uint64_t>(std::max<ssize_t>(count, 0));
}

} // namespace

ConsoleLog::ConsoleLog(const std::string& path) : file_{open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600)}
{
    if (!file_)
        throw Failure{ExitCode::Internal, "console log " + path + ": " + std::strerror(errno)};
}

void ConsoleLog::append(std::string_view text)
{
    for (; !text.empty(); text.remove_prefix(std::min<std::size_t>(text.size(), kLastBytes))) {
        end_ += write_at(file_.get(), end_, text.substr(0, kLastBytes)); // the file is never larger than that allows
        if (end_ > last_ + 2 * kLastBytes)
            drop_older_half();
    }
}

std::string ConsoleLog::text() const { return read_at(file_.get(), 0, end_); }

void ConsoleLog::drop_older_half()
{
    std::uint64_t from = end_ - kLastBytes;
    std::string kept = read_at(file_.get(), from, kLastBytes);
    std::size_t line = kept.substr(0, 4096).find('\n') + 1; // 0: no line ends there, so be it
    left_out_ += from + line - last_;
    std::string between = left_out_line(left_out_);
    last_ = kFirstBytes + between.size();
    end_ = kFirstBytes + write_at(file_.get(), kFirstBytes, between + kept.substr(line));
    if (ftruncate(file_.get(), static_cast<off_t>(end_)) != 0)
        end_ = last_; // cannot be; then the next text overwrites
}

} // namespace colinux
