// SPDX-License-Identifier: GPL-2.0
// ImageStore: where images that are known by a name lie: /var/lib/colinux/images/NAME.raw, or in $COLINUX_STATE_DIR/images; beside
// each NAME.raw.boot, its kernel's cache. Whoever makes or changes one holds the lock; it is made under another name and then renamed:
// what has its name is whole.
#pragma once

#include "control/unique_fd.hpp"

#include <string>
#include <vector>

namespace colinux {

class ImageStore {
public:
    ImageStore(); // from the environment

    const std::string& folder() const { return folder_; }
    std::string path(const std::string& name) const { return folder_ + "/" + name + ".raw"; }
    std::vector<std::string> names() const; // sorted
    bool contains(const std::string& name) const;

    // The file of an image in here, or `name_or_file` where that is a file name (it has a '/'). Failure: Usage, ImageUnknown with the names that there are.
    std::string find(const std::string& name_or_file) const;
    std::string place_for(const std::string& name) const; // of a new one. Failure: Usage, ImageTaken

    // Makes the folder; waits for whoever has it, and says so; removes what one that was killed has left. Failure: NotRoot, NotSaved.
    UniqueFd lock() const;

private:
    std::string folder_;
};

// A folder in `parent` that nobody else may look into, and that is gone with its owner.
class ScratchFolder {
public:
    explicit ScratchFolder(const std::string& parent); // Failure: NotRoot, NotSaved
    ~ScratchFolder();
    ScratchFolder(const ScratchFolder&) = delete;
    ScratchFolder& operator=(const ScratchFolder&) = delete;
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

// `unfinished` and, where there is one, `unfinished`.boot become `path`, durably. Failure: NotSaved.
void give_name(const std::string& unfinished, const std::string& path);

} // namespace colinux
