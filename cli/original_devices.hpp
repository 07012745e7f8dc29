// SPDX-License-Identifier: GPL-2.0
// The devices of the original's command line, by their numbers there: cobd0=FILE, scsi1=disk,FILE, hda1=:cobd0, eth0=slirp.
#pragma once

#include "control/config.hpp"

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace colinux {

// Parts between commas; quotes hold a comma and go, two of them are one.
std::vector<std::string> original_parts(std::string_view value);
std::string without_quotes(std::string_view value);

class OriginalDevices {
public:
    explicit OriginalDevices(std::string folder) : folder_{std::move(folder)} {}

    // False: `key` names no device. Failure: Usage, NotHere.
    bool take(const std::string& key, const std::string& value);
    void finish(MachineConfig& config); // all are taken

    // /dev/cobd0, /dev/hda1, /dev/sda2 as it is called here; what is none of these comes back as it is.
    std::string device_here(const std::string& device) const;
    std::string file(const std::string& option, std::string_view value) const; // Failure: NotHere, a name of Windows
    const std::vector<std::string>& notes() const { return notes_; }

private:
    void take_scsi(unsigned number, const std::string& value);
    void take_net(unsigned number, const std::string& value);
    void take_alias(const std::string& alias, const std::string& value);

    std::string folder_;
    std::map<unsigned, DiskConfig> cobds_, scsis_;
    std::map<unsigned, NetConfig> nets_;
    std::vector<std::pair<std::string, std::string>> aliases_;
    std::map<std::string, std::string> here_;
    std::vector<std::string> notes_;
};

} // namespace colinux
