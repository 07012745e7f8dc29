// SPDX-License-Identifier: GPL-2.0
// TemporaryFile: a file of a given size for one test; gone afterwards.
#pragma once

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>
#include <string>

namespace colinux {

class TemporaryFile {
public:
    explicit TemporaryFile(off_t bytes)
    {
        fd_ = mkstemp(path_);
        if (fd_ < 0 || ftruncate(fd_, bytes) != 0)
            throw std::runtime_error{"no temporary file"};
    }
    ~TemporaryFile()
    {
        close(fd_);
        unlink(path_);
    }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;

    const char* path() const { return path_; }
    int fd() const { return fd_; }
    void write(off_t offset, const std::string& text) const
    {
        if (pwrite(fd_, text.data(), text.size(), offset) != static_cast<ssize_t>(text.size()))
            throw std::runtime_error{"short write"};
    }
    std::string read(off_t offset, std::size_t bytes) const
    {
        std::string text(bytes, '\0');
        text.resize(static_cast<std::size_t>(std::max<ssize_t>(0, pread(fd_, text.data(), bytes, offset))));
        return text;
    }

private:
    char path_[32] = "/tmp/colinux-test-XXXXXX";
    int fd_;
};

} // namespace colinux
