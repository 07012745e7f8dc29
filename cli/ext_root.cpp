// SPDX-License-Identifier: GPL-2.0
#include "cli/ext_root.hpp"

#include "cli/stop_signals.hpp"
#include "cli/subprocess.hpp"
#include "control/config_text.hpp"
#include "control/failure.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

namespace colinux {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kLargestText = 1 << 20;

} // namespace

ExtRoot::ExtRoot(std::string image, std::string scratch, StopSignals& stop) : image_{std::move(image)}, scratch_{std::move(scratch)}, stop_{stop}
{
    need_program("debugfs", "e2fsprogs");
    // What a guest that was killed left in its journal would undo what is written here
    check_file_system(image_, true, stop_);
    open();
}

void ExtRoot::open()
{
    opened_.reset();
    fd_ = UniqueFd{::open(image_.c_str(), O_RDONLY | O_CLOEXEC)};
    opened_ = ExtImage::open(fd_.get(), 0);
    if (!opened_)
        throw Failure{ExitCode::ImportUnfit, image_ + ": its file system cannot be read"};
}

bool ExtRoot::has(const std::string& path) const { return opened_->has(path); }

std::optional<std::string> ExtRoot::text(const std::string& path) const
{
    std::optional<ExtImage::File> file = opened_->find(path);
    if (!file || file->bytes > kLargestText)
        return std::nullopt;
    std::string text;
    opened_->read(path, *file, [&](const char* bytes, std::size_t count) {
        text.append(bytes, count);
        return true;
    });
    return text;
}

std::vector<std::string> ExtRoot::names_in(const std::string& folder) const { return opened_->names_in(folder); }

// debugfs ends well whatever became of its commands: who called looks.
void ExtRoot::change(const std::vector<std::string>& commands)
{
    std::string list = scratch_ + "/commands";
    std::ofstream stream{list};
    for (const std::string& command : commands)
        stream << command << "\n";
    stream.close();
    run_and_capture({"debugfs", "-w", "-f", list, image_}, &stop_);
    open();
}

void ExtRoot::write(const std::string& path, const std::string& text)
{
    std::string content = scratch_ + "/content";
    std::ofstream{content} << text;
    std::string mode = path == "/etc/shadow" ? "0100640" : "0100644", group = path == "/etc/shadow" ? "42" : "0"; // Debian's and most others' shadow
    change({"rm " + path, "write \"" + content + "\" " + path, "set_inode_field " + path + " mode " + mode, "set_inode_field " + path + " uid 0",
            "set_inode_field " + path + " gid " + group});
    if (this->text(path) != text)
        throw Failure{ExitCode::NotSaved, path + " in the image cannot be written: is its file system full? Import it with a larger --size, or make room in it first"};
}

void ExtRoot::link(const std::string& path, const std::string& target)
{
    change({"mkdir " + path.substr(0, path.rfind('/')), "symlink " + path + " " + target});
}

Soundness check_file_system(const std::string& image, bool repair, StopSignals& stop)
{
    need_program("e2fsck", "e2fsprogs");
    // One that repairs is never killed: Ctrl-C reaches it by the terminal, and it ends where it may
    int status = run_and_capture({"e2fsck", "-f", repair ? "-y" : "-n", image}, repair ? nullptr : &stop).status;
    if (status & 32)
        StopSignals::interrupted();
    if (status == 0)
        return Soundness::Sound;
    if (repair && status < 4) // 1: repaired; 2: and a host that has it mounted should reboot
        return Soundness::Repaired;
    if (status == 4)
        throw Failure{ExitCode::ImageDamaged, image + (repair ? ": its file system could not be repaired whole (e2fsck 4): look at it with: e2fsck -f " + image
                                                               : ": its file system has errors: colinux image fsck repairs what can be repaired")};
    if (status >= 8)
        throw Failure{ExitCode::ImageDamaged, image + ": no ext file system, or one whose superblock is damaged (e2fsck " + std::to_string(status) + ")"};
    throw Failure{ExitCode::ImageDamaged, image + ": its file system has errors: colinux image fsck repairs what can be repaired"};
}

void resize_file_system(const std::string& image, std::uint64_t bytes, StopSignals& stop)
{
    need_program("resize2fs", "e2fsprogs");
    check_file_system(image, true, stop);
    std::uint64_t before = fs::file_size(image);
    std::error_code error;
    if (bytes > before)
        fs::resize_file(image, bytes, error);
    if (error)
        throw Failure{ExitCode::NotSaved, image + ": " + error.message()};
    if (run_and_capture({"resize2fs", image, std::to_string(bytes >> 10) + "K"}, &stop).status != 0) {
        if (bytes > before)
            fs::resize_file(image, before, error);
        throw Failure{ExitCode::ImageSize, "the file system cannot become " + size_text(bytes) + ": there is more in it; nothing is lost"};
    }
    if (bytes < before)
        fs::resize_file(image, bytes, error);
}

} // namespace colinux
