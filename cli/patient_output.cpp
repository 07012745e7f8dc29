// SPDX-License-Identifier: GPL-2.0
#include "cli/patient_output.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

namespace colinux {

PatientOutput::PatientOutput(int fd) : fd_{fd}
{
    struct stat status{};
    fstat(fd, &status);
    is_socket_ = S_ISSOCK(status.st_mode);
    if (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode)) // not a file: that has a position
        own_ = UniqueFd{open(("/proc/self/fd/" + std::to_string(fd)).c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)};
}

std::ptrdiff_t PatientOutput::write(std::string_view text) const
{
    ssize_t count = is_socket_ ? send(fd_, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL)
                               : ::write(fd(), text.data(), text.size());
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    return count;
}

} // namespace colinux
