// SPDX-License-Identifier: GPL-2.0
// What `colinux run NAME` makes where it is missing: the driver is loaded, a template's image made, once, in the store.
#pragma once

#include <cstdint>
#include <string>

namespace colinux {

// A Debian root file system in `output`, with `output`.boot: guest/debian/create-image's exit status; its words on standard error where `quiet`.
int make_debian(const std::string& output, std::uint64_t bytes, const std::string& kernel_package, bool quiet);

// The file of that image in the store; a template is made where it is not there. Two at once wait for each other.
// Failure: Usage, ImageUnknown, NotRoot, NotSaved, NoGraft, BuildFailed, GuestKilled (Ctrl-C).
std::string image_or_template(const std::string& name);

// Loads the driver where it is not there; whoever needs it says what is wrong if that was in vain.
void load_driver();

} // namespace colinux
