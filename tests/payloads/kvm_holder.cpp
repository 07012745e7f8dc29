// SPDX-License-Identifier: GPL-2.0
// kvm_holder: has KVM turn SVM or VMX on (it does so with its first guest) and keeps it on until a signal. For the lab's
// host only.
#include <cstdio>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <unistd.h>

int main()
{
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    int guest = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0);
    if (guest < 0 || ioctl(guest, KVM_CREATE_VCPU, 0) < 0)
        return std::perror("kvm_holder: /dev/kvm"), 1;
    pause();
}
