// SPDX-License-Identifier: GPL-2.0
// kexec_now KERNEL INITRD COMMAND_LINE: starts another kernel in place of this one, at once, without ending any process.
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <linux/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char** argv)
{
    if (argc != 4)
        return std::fprintf(stderr, "usage: kexec_now KERNEL INITRD COMMAND_LINE\n"), 2;
    int kernel = open(argv[1], O_RDONLY | O_CLOEXEC), initrd = open(argv[2], O_RDONLY | O_CLOEXEC);
    if (syscall(SYS_kexec_file_load, kernel, initrd, std::strlen(argv[3]) + 1, argv[3], 0ul) != 0)
        return std::perror("kexec_file_load"), 1;
    syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_KEXEC, nullptr);
    return std::perror("reboot"), 1;
}
