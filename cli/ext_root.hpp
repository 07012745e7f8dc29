// SPDX-License-Identifier: GPL-2.0
// ExtRoot: a GuestRoot in an ext image, changed by debugfs; and what e2fsprogs does with such an image: check, repair, resize.
#pragma once

#include "cli/ext_image.hpp"
#include "cli/guest_root.hpp"

#include <cstdint>

namespace colinux {

class StopSignals;

class ExtRoot final : public GuestRoot {
public:
    // `scratch`: a folder for what is to be written. Failure: ImportUnfit, ToolMissing.
    ExtRoot(std::string image, std::string scratch, StopSignals& stop);
    bool has(const std::string& path) const override;
    std::optional<std::string> text(const std::string& path) const override;
    std::vector<std::string> names_in(const std::string& folder) const override;
    void write(const std::string& path, const std::string& text) override; // Failure: NotSaved
    void link(const std::string& path, const std::string& target) override;

private:
    void open();
    void change(const std::vector<std::string>& commands);

    std::string image_, scratch_;
    StopSignals& stop_;
    UniqueFd fd_;
    std::optional<ExtImage> opened_;
};

enum class Soundness { Sound, Repaired };
// Failure: ImageDamaged, ToolMissing; GuestKilled by a signal of `stop`. What is only looked at is never written to.
Soundness check_file_system(const std::string& image, bool repair, StopSignals& stop);

// Checked and repaired first. Failure: ImageSize (too small for what is in it), ImageDamaged, NotSaved.
void resize_file_system(const std::string& image, std::uint64_t bytes, StopSignals& stop);

} // namespace colinux
