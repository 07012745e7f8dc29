// SPDX-License-Identifier: GPL-2.0
// The small languages of the command line: sizes ("512M"), disks ("FILE,ro"), networks
// ("slirp,forward=tcp:8080:80"), watchdogs ("30,report"), names. Each throws Failure with one line that quotes what was typed
// and says what would have been right.
#pragma once

#include "control/config.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace colinux {

// Bytes: a whole number with an optional K, M, G or T (1024-based). Failure: Usage.
std::uint64_t parse_size(std::string_view text);
std::string size_text(std::uint64_t bytes); // the shortest exact form: "512M"

// "FILE[,ro][,snapshot][,partition=N][,format=raw]", in any order. Failure: Usage. The file is not looked at.
DiskConfig parse_disk(std::string_view text);
std::string disk_text(const DiskConfig& disk); // what parse_disk() reads

// "slirp[,net=A.B.C.0/N][,host-loopback=on|off][,forward=tcp:[ADDRESS:]HOST:GUEST]...". Failure: Usage.
NetConfig parse_net(std::string_view text);

// IPv4. Failure: Usage.
std::uint32_t parse_address(std::string_view text);
std::string address_text(std::uint32_t address);
Subnet parse_subnet(std::string_view text); // "10.0.2.0/24": /8 to /27, so that our addresses in it have room
std::string subnet_text(const Subnet& subnet);

// "SECONDS[,kill|dump|report]". Failure: Usage.
WatchdogConfig parse_watchdog(std::string_view text);
std::string watchdog_text(const WatchdogConfig& watchdog); // what parse_watchdog() reads

// "PORT[,wait]". Failure: Usage.
GdbConfig parse_gdb(std::string_view text);
std::string gdb_text(const GdbConfig& gdb); // what parse_gdb() reads

// 1 to 48 of a-z A-Z 0-9 . _ -, beginning with a letter or digit: it becomes a file name. Failure: Usage.
void check_name(std::string_view name);

} // namespace colinux
