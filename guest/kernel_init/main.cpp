// SPDX-License-Identifier: GPL-2.0
// colinux-kernel-init: process 1 of a guest of `colinux kernel run` (include/colinux/kernel_run.h): makes a root of the host's folders, starts the
// agent in it, which the host asks to run the command, and powers off when the host hangs up. Runs a second time, as the program that the kernel
// calls when the host asks for a shutdown: then it tells process 1.
#include "new_root.hpp"

#include <colinux/kernel_run.h>

#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>
#include <string_view>

namespace {

using namespace colinux::kernel_init;

constexpr const char *kFolder = "/run/colinux", *kPowerOff = "/run/colinux/poweroff", *kAgent = "/run/colinux/colinux-agent";

void say(const std::string& text) // on the console
{
    int log = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
    dprintf(log, "<3>colinux-kernel-init: %s\n", text.c_str());
    close(log);
}

[[noreturn]] void power_off()
{
    kill(-1, SIGKILL);
    sync();
    reboot(RB_POWER_OFF);
    for (;;)
        pause();
}

int listen_to_host()
{
    int listener = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0)
        fail("this kernel has no vsock sockets: see what `colinux kernel config` says of its tree");
    sockaddr_vm address{};
    address.svm_family = AF_VSOCK;
    address.svm_cid = VMADDR_CID_ANY;
    address.svm_port = CO_KERNEL_RUN_PORT;
    if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(listener, CO_KERNEL_RUN_MAX_FOLDERS + 1) != 0)
        fail("vsock port");
    return listener;
}

// All streams that were promised. Returns the lifeline.
int accept_all(int listener, std::vector<Folder>& folders)
{
    int life = -1;
    for (std::size_t missing = folders.size() + 1; missing > 0; missing--) {
        int stream = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC); // nothing else runs here yet: it is the host
        unsigned char head[2];
        if (stream < 0 || recv(stream, head, sizeof head, MSG_WAITALL) != sizeof head)
            fail("the host's connections");
        if (head[0] == CO_KERNEL_RUN_LIFE && life < 0)
            life = stream;
        else if (head[0] == CO_KERNEL_RUN_FOLDER && head[1] < folders.size() && folders[head[1]].stream < 0)
            folders[head[1]].stream = stream;
        else
            throw Trouble{"the host speaks another version's language"};
    }
    close(listener);
    return life;
}

void keep(const char* from, const char* to) // out of the initramfs, which cannot be seen any more soon
{
    int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    struct stat status;
    if (in < 0 || out < 0 || fstat(in, &status) != 0)
        fail(to);
    char bytes[65536];
    for (ssize_t count; (count = read(in, bytes, sizeof bytes)) > 0;)
        if (write(out, bytes, static_cast<std::size_t>(count)) != count)
            fail(to);
    close(in);
    close(out);
}

void bring_loopback_up()
{
    int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ifreq request{};
    strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    ioctl(any, SIOCSIFFLAGS, &request); // a kernel without IPv4 has none
    close(any);
}

void write_file(const char* file, const std::string& text)
{
    int fd = open(file, O_WRONLY | O_CLOEXEC);
    if (fd >= 0 && write(fd, text.data(), text.size()) < 0)
        say(std::string{file} + ": " + strerror(errno));
    close(fd);
}

void start_agent()
{
    pid_t pid = fork();
    if (pid < 0)
        fail("fork");
    if (pid > 0)
        return;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    setsid();
    execl(kAgent, "colinux-agent", nullptr);
    _exit(127);
}

void start(int& life)
{
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr);
    mount("sys", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr);
    mount("dev", "/dev", "devtmpfs", MS_NOSUID, nullptr);
    std::vector<Folder> folders = read_folders(CO_KERNEL_RUN_FOLDERS);
    load_modules(CO_KERNEL_RUN_MODULES);
    int listener = listen_to_host();
    life = accept_all(listener, folders);
    int agent = open(CO_KERNEL_RUN_AGENT, O_RDONLY | O_CLOEXEC), self = open("/init", O_RDONLY | O_CLOEXEC);
    enter_new_root(folders);
    mkdir(kFolder, 0755);
    keep(("/proc/self/fd/" + std::to_string(agent)).c_str(), kAgent);
    keep(("/proc/self/fd/" + std::to_string(self)).c_str(), kPowerOff);
    close(agent);
    close(self);
    write_file("/proc/sys/kernel/poweroff_cmd", std::string{kPowerOff} + " --tell-init");
    bring_loopback_up();
    start_agent();
}

[[noreturn]] void watch(int life, int signals)
{
    for (;;) {
        pollfd waits[2] = {{life, POLLIN, 0}, {signals, POLLIN, 0}};
        if (poll(waits, 2, -1) < 0)
            continue;
        char byte;
        if (waits[0].revents && recv(life, &byte, 1, MSG_DONTWAIT) <= 0)
            power_off();
        signalfd_siginfo info;
        if (waits[1].revents && read(signals, &info, sizeof info) == sizeof info && info.ssi_signo == SIGTERM)
            power_off();
        while (waitpid(-1, nullptr, WNOHANG) > 0) {
        }
    }
}

} // namespace

int main(int argc, char** argv)
{
    if (argc == 2 && argv[1] == std::string_view{"--tell-init"})
        return kill(1, SIGTERM) == 0 ? 0 : 1;
    if (getpid() != 1)
        return 1;
    sigset_t mine;
    sigemptyset(&mine);
    sigaddset(&mine, SIGTERM);
    sigaddset(&mine, SIGCHLD);
    sigprocmask(SIG_BLOCK, &mine, nullptr);
    int signals = signalfd(-1, &mine, SFD_CLOEXEC | SFD_NONBLOCK), life = -1;
    std::string word = CO_KERNEL_RUN_READY;
    try {
        start(life);
    } catch (const std::exception& trouble) {
        word = trouble.what();
        say(word);
    }
    if (life < 0)
        power_off(); // nobody hears us but the console
    word += "\n";
    if (send(life, word.data(), word.size(), MSG_NOSIGNAL) < 0)
        power_off();
    watch(life, signals);
}
