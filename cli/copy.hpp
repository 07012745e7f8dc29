// SPDX-License-Identifier: GPL-2.0
// What `colinux cp` is made of: one side packs (tar), the other unpacks beside the destination and then puts it in its place. Either side
// runs the same script, here or in the guest.
#pragma once

#include <string>
#include <vector>

namespace colinux {

struct CopyEnd {
    std::string guest; // empty: this host
    std::string path;
};

// "web:/etc/motd" or a path of this host, which may have a colon behind a slash: ./a:b
CopyEnd parse_copy_end(const std::string& text);

std::vector<std::string> packing_command(const std::string& source);
// `source`: it gives the new thing its name where `destination` is a folder; DIR/. is what is in it.
std::vector<std::string> unpacking_command(const std::string& source, const std::string& destination);

} // namespace colinux
