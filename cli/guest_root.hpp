// SPDX-License-Identifier: GPL-2.0
// GuestRoot: a root file system that is to become a guest's, looked at and changed from outside and never mounted: a folder, or an ext file system in an
// image. Its links are followed inside it only. And what has to be so in one for a guest to boot, to have a console and a network.
#pragma once

#include "control/unique_fd.hpp"

#include <optional>
#include <string>
#include <vector>

namespace colinux {

class GuestRoot {
public:
    virtual ~GuestRoot() = default;
    virtual bool has(const std::string& path) const = 0;                          // of whatever kind
    virtual std::optional<std::string> text(const std::string& path) const = 0;   // of a file of at most a megabyte
    virtual std::vector<std::string> names_in(const std::string& folder) const = 0;
    virtual void write(const std::string& path, const std::string& text) = 0;     // in a folder that is there; owner and rights of an older file stay
    virtual void link(const std::string& path, const std::string& target) = 0;    // symbolic; its folder is made
};

class FolderRoot final : public GuestRoot {
public:
    explicit FolderRoot(const std::string& folder); // Failure: ImportUnfit
    bool has(const std::string& path) const override;
    std::optional<std::string> text(const std::string& path) const override;
    std::vector<std::string> names_in(const std::string& folder) const override;
    void write(const std::string& path, const std::string& text) override; // Failure: NotSaved
    void link(const std::string& path, const std::string& target) override;

private:
    int open_in(const std::string& path, int flags) const;
    UniqueFd folder_of(const std::string& path) const;

    UniqueFd root_;
    std::string path_;
};

// Puts fstab, console, network and, where that is asked for, the login right; says what was changed, one line each.
// Failure: ImportUnfit, nothing in it that a kernel could start.
std::vector<std::string> repair_root(GuestRoot& root, bool root_login);

} // namespace colinux
