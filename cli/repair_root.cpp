// SPDX-License-Identifier: GPL-2.0
// What is put right in a root file system from elsewhere: it has disks, terminals and network cards of another machine, or of a container none.
#include "cli/guest_root.hpp"

#include "control/failure.hpp"

#include <algorithm>
#include <array>
#include <sstream>

namespace colinux {

namespace {

constexpr const char* kRootLine = "/dev/vda\t/\text4\terrors=remount-ro\t0\t1\n";
constexpr const char* kMark = "# colinux image import: ";
constexpr const char* kNetworkd = "# Every conet device: address, route and name server by DHCP.\n[Match]\nDriver=virtio_net\n\n[Network]\nDHCP=ipv4\nLinkLocalAddressing=no\n";

using Lines = std::vector<std::string>;

// Lines of what is the kernel's own stay; those of disks that a guest does not have would hold up its boot.
void repair_fstab(GuestRoot& root, Lines& told)
{
    if (!root.has("/etc"))
        return;
    std::string before = root.text("/etc/fstab").value_or(""), after = kRootLine;
    std::istringstream lines{before};
    std::size_t off = 0;
    for (std::string line; std::getline(lines, line);) {
        std::istringstream fields{line};
        std::string device, place, type;
        fields >> device >> place >> type;
        constexpr std::array<std::string_view, 7> kept{"proc", "sysfs", "tmpfs", "devpts", "devtmpfs", "cgroup2", "debugfs"};
        if (line + "\n" == kRootLine)
            continue;
        bool stays = device.empty() || device.starts_with('#') || std::ranges::find(kept, type) != kept.end();
        off += !stays;
        after += (stays ? "" : kMark) + line + "\n";
    }
    if (after == before)
        return;
    root.write("/etc/fstab", after);
    told.push_back("/etc/fstab: / is /dev/vda" + (off ? "; " + std::to_string(off) + " line(s) of other disks are comments now" : std::string{}));
}

void append_line(GuestRoot& root, const std::string& path, const std::string& line, Lines& told, const std::string& what)
{
    std::string text = root.text(path).value_or("");
    if (!text.empty() && text.back() != '\n')
        text += '\n';
    root.write(path, text + line + "\n");
    told.push_back(path + ": " + what);
}

// systemd starts a getty on the kernel's console by itself.
void repair_console(GuestRoot& root, Lines& told)
{
    std::optional<std::string> inittab = root.text("/etc/inittab");
    bool systemd = root.has("/lib/systemd/systemd") || root.has("/usr/lib/systemd/systemd");
    if (inittab && !systemd && inittab->find("hvc0") == std::string::npos) {
        bool sysvinit = root.has("/sbin/telinit") && inittab->find(":initdefault:") != std::string::npos;
        append_line(root, "/etc/inittab", sysvinit ? "hv0:2345:respawn:/sbin/getty -L hvc0 115200 vt220" : "hvc0::respawn:/sbin/getty -L hvc0 115200 vt220", told,
                    "a getty on hvc0, the guest's console");
    }
    if (auto securetty = root.text("/etc/securetty"); securetty && ("\n" + *securetty).find("\nhvc0") == std::string::npos)
        append_line(root, "/etc/securetty", "hvc0", told, "root may log in on hvc0");
}

void repair_network(GuestRoot& root, Lines& told)
{
    bool networkd = root.has("/lib/systemd/systemd-networkd") || root.has("/usr/lib/systemd/systemd-networkd");
    bool other = root.has("/usr/sbin/NetworkManager") || root.has("/sbin/dhcpcd") || root.has("/usr/sbin/dhcpcd");
    if (root.has("/etc/network") && root.has("/sbin/ifup")) {
        std::string interfaces = root.text("/etc/network/interfaces").value_or("");
        if (interfaces.find("eth0") == std::string::npos)
            append_line(root, "/etc/network/interfaces", "\nauto eth0\niface eth0 inet dhcp", told, "eth0 by DHCP");
    } else if (networkd && root.has("/etc/systemd/network") && !other) {
        if (!root.has("/etc/systemd/network/10-conet.network")) {
            root.write("/etc/systemd/network/10-conet.network", kNetworkd);
            root.link("/etc/systemd/system/multi-user.target.wants/systemd-networkd.service", "/lib/systemd/system/systemd-networkd.service");
            told.push_back("/etc/systemd/network/10-conet.network: the network card by DHCP (systemd-networkd)");
        }
    } else if (!other) {
        told.push_back("the network is left alone: none of ifupdown, systemd-networkd, NetworkManager and dhcpcd is in the image");
    }
    bool resolved = root.has("/lib/systemd/systemd-resolved") || root.has("/usr/lib/systemd/systemd-resolved"); // it has a link to what it makes
    if (root.has("/etc") && !resolved && root.text("/etc/resolv.conf").value_or("").empty()) {
        root.write("/etc/resolv.conf", "nameserver 10.0.2.3\n");
        told.push_back("/etc/resolv.conf: the name server of a guest's network");
    }
}

void repair_login(GuestRoot& root, bool root_login, Lines& told)
{
    std::string shadow = root.text("/etc/shadow").value_or("");
    std::size_t at = ("\n" + shadow).find("\nroot:");
    if (at == std::string::npos)
        return;
    std::size_t begin = at + 5, end = shadow.find(':', begin);
    std::string password = shadow.substr(begin, end == std::string::npos ? end : end - begin);
    bool locked = password.starts_with('*') || password.starts_with('!');
    if (root_login && !password.empty()) {
        root.write("/etc/shadow", shadow.replace(begin, password.size(), ""));
        told.push_back("/etc/shadow: root has no password");
    } else if (locked) {
        told.push_back("root cannot log in, as its password is locked: import it with --root-login, which takes the password away");
    }
}

} // namespace

std::vector<std::string> repair_root(GuestRoot& root, bool root_login)
{
    Lines told;
    constexpr std::array<const char*, 4> inits{"/sbin/init", "/etc/init", "/bin/init", "/bin/sh"}; // in the kernel's order
    auto init = std::ranges::find_if(inits, [&](const char* path) { return root.has(path); });
    if (init == inits.end())
        throw Failure{ExitCode::ImportUnfit, "there is none of /sbin/init, /etc/init, /bin/init and /bin/sh in it: no root file system (of an archive: pack it from within "
                                             "the root folder: tar -C ROOT -c .)"};
    if (*init == std::string_view{"/bin/sh"})
        told.push_back("it has no init: its kernel starts /bin/sh, and /proc, /sys and the network are yours to set up");
    repair_fstab(root, told);
    repair_console(root, told);
    repair_network(root, told);
    repair_login(root, root_login, told);
    return told;
}

} // namespace colinux
