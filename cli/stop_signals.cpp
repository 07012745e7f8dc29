// SPDX-License-Identifier: GPL-2.0
#include "cli/stop_signals.hpp"

#include "cli/patient_output.hpp"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace colinux {

HeldSignals::HeldSignals(std::initializer_list<int> signals)
{
    sigset_t mine;
    sigemptyset(&mine);
    for (int signal : signals) {
        struct sigaction action{};
        if (sigaction(signal, nullptr, &action) == 0 && action.sa_handler != SIG_IGN) // held back, it would come in spite of that
            sigaddset(&mine, signal);
    }
    sigprocmask(SIG_BLOCK, &mine, &before_);
    fd_ = UniqueFd{signalfd(-1, &mine, SFD_CLOEXEC | SFD_NONBLOCK)};
}

int HeldSignals::take()
{
    signalfd_siginfo info;
    return read(fd_.get(), &info, sizeof info) == sizeof info ? static_cast<int>(info.ssi_signo) : 0;
}

void HeldSignals::do_default(int signal)
{
    sigset_t only;
    sigemptyset(&only);
    sigaddset(&only, signal);
    raise(signal);
    sigprocmask(SIG_UNBLOCK, &only, nullptr);
    sigprocmask(SIG_BLOCK, &only, nullptr);
}

void HeldSignals::release()
{
    if (held_)
        sigprocmask(SIG_SETMASK, &before_, nullptr);
    held_ = false;
}

void StopSignals::check()
{
    if (take() != 0)
        interrupted();
}

void StopSignals::interrupted() { throw Failure{ExitCode::GuestKilled, "interrupted before the guest ran"}; }

bool write_unless_stopped(int fd, std::string_view text, const HeldSignals& signals)
{
    PatientOutput output{fd};
    while (!text.empty()) {
        std::ptrdiff_t taken = output.write(text);
        if (taken < 0)
            return false;
        text.remove_prefix(static_cast<std::size_t>(taken));
        pollfd ends[2] = {{output.fd(), static_cast<short>(text.empty() ? 0 : POLLOUT), 0}, {signals.fd(), POLLIN, 0}};
        if (!text.empty() && poll(ends, 2, -1) > 0 && ends[1].revents)
            return false;
    }
    return true;
}

} // namespace colinux
