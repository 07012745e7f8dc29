// SPDX-License-Identifier: GPL-2.0
// colinux-agent: runs commands in a guest for `colinux exec` of its host. Listens on a vsock port, hears nobody but the host, and
// has a process for each connection. Started by systemd (guest/debian/files/.../colinux-agent.service); docs/agent.md.
#include "session.hpp"

#include <linux/vm_sockets.h>
#include <signal.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace {

using namespace colinux::agent;

int fail(const char* what)
{
    fprintf(stderr, "colinux-agent: %s: %s\n", what, strerror(errno));
    return 1;
}

} // namespace

int main()
{
    Descriptor listener{socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (!listener)
        return fail("this kernel has no vsock sockets");
    sockaddr_vm address{};
    address.svm_family = AF_VSOCK;
    address.svm_cid = VMADDR_CID_ANY;
    address.svm_port = CO_AGENT_PORT;
    if (bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(listener.get(), 32) != 0)
        return fail("vsock port 1024");
    signal(SIGCHLD, SIG_IGN); // nobody waits for sessions
    for (;;) {
        sockaddr_vm peer{};
        socklen_t bytes = sizeof peer;
        Descriptor connection{accept4(listener.get(), reinterpret_cast<sockaddr*>(&peer), &bytes, SOCK_CLOEXEC)};
        if (!connection) {
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
            fail("accept");
            sleep(1); // no descriptors, no memory: they come back
            continue;
        }
        if (peer.svm_cid != VMADDR_CID_HOST) // a program of this guest's
            continue;
        if (fork() == 0) {
            listener.close();
            signal(SIGCHLD, SIG_DFL);
            Session{std::move(connection)}.run();
            _exit(0);
        }
    }
}
