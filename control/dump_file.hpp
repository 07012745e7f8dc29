// SPDX-License-Identifier: GPL-2.0
// DumpFile: a file for a guest's memory that has its name only when it is complete: half a dump is never taken for a whole one.
// Until then it is FILE.partial, locked by whoever made it; what a killed one left there is written over.
#pragma once

#include "control/failure.hpp"
#include "control/unique_fd.hpp"

#include <string>

namespace colinux {

class DumpFile {
public:
    // Failure: DumpFailed, as everything here: what has the name is no regular file, or the folder cannot be written to.
    static void check(const std::string& path);
    static std::string folder(const std::string& path);

    explicit DumpFile(const std::string& path);
    ~DumpFile(); // not complete: nothing is left
    DumpFile(const DumpFile&) = delete;
    DumpFile& operator=(const DumpFile&) = delete;

    int fd() const { return file_.get(); }
    void complete();
    Failure failure(const std::string& why) const; // that names this file

private:
    std::string path_, partial_;
    UniqueFd file_;
};

} // namespace colinux
