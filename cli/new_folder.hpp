// SPDX-License-Identifier: GPL-2.0
// NewFolder: a folder that is gone again unless everything that it is for went well.
#pragma once

#include <string>

namespace colinux {

class NewFolder {
public:
    explicit NewFolder(std::string path); // Failure: NotSaved
    ~NewFolder();
    NewFolder(const NewFolder&) = delete;
    NewFolder& operator=(const NewFolder&) = delete;
    void keep() { kept_ = true; }

private:
    std::string path_;
    bool kept_{};
};

} // namespace colinux
