// SPDX-License-Identifier: GPL-2.0
// copy_disk(): a disk image's copy, by reference where the file system can, else without its holes.
#pragma once

#include "control/config.hpp"

#include <string>

namespace colinux {

class StopSignals;

// `to` is made, and is on the medium when this returns; of what fails nothing stays. No guest may write to the disk meanwhile.
// Failure: the disk's own, DiskUnfit (a block device), NotSaved (no space), NameTaken (`to` is there), GuestKilled by a signal of `stop`.
void copy_disk(const DiskConfig& disk, const std::string& to, StopSignals& stop);


// As copy_disk(), of what a guest would see of it: one partition, where the disk has one chosen; block devices, too.
void copy_disk_part(const DiskConfig& disk, const std::string& to, StopSignals& stop);

} // namespace colinux
