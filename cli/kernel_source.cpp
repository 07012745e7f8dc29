// SPDX-License-Identifier: GPL-2.0
#include "cli/kernel_source.hpp"

#include "control/failure.hpp"
#include "control/unique_fd.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <fstream>

namespace colinux {

namespace fs = std::filesystem;

namespace {

// A file, mapped to be read.
class Mapping {
public:
    explicit Mapping(const fs::path& file)
    {
        UniqueFd fd{open(file.c_str(), O_RDONLY | O_CLOEXEC)};
        struct stat status;
        if (!fd || fstat(fd.get(), &status) != 0)
            throw Failure{ExitCode::KernelMissing, "kernel " + file.string() + ": " + strerror(errno)};
        if (!S_ISREG(status.st_mode) || status.st_size == 0)
            throw Failure{ExitCode::KernelDamaged, "kernel " + file.string() + " is no file, or empty"};
        bytes_ = static_cast<std::size_t>(status.st_size);
        void* map = mmap(nullptr, bytes_, PROT_READ, MAP_PRIVATE, fd.get(), 0);
        if (map == MAP_FAILED)
            throw Failure{ExitCode::KernelMissing, "kernel " + file.string() + ": " + strerror(errno)};
        start_ = static_cast<const char*>(map);
    }
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping() { munmap(const_cast<char*>(start_), bytes_); }
    std::string_view text() const { return {start_, bytes_}; }

private:
    const char* start_{};
    std::size_t bytes_{};
};

std::string word_at(std::string_view text, std::size_t at)
{
    constexpr std::size_t kLongest = 64; // __NEW_UTS_LEN
    std::string word;
    for (; at < text.size() && word.size() <= kLongest && text[at] > ' ' && text[at] < 0x7f; at++)
        word += text[at];
    return word.size() <= kLongest && word.find('/') == std::string::npos ? word : "";
}

std::string release_of_tree(const fs::path& tree)
{
    constexpr std::string_view kDefine = "#define UTS_RELEASE \"";
    std::ifstream file{tree / "include/generated/utsrelease.h"};
    for (std::string line; std::getline(file, line);)
        if (line.starts_with(kDefine))
            if (std::string release = line.substr(kDefine.size(), line.rfind('"') - kDefine.size()); !release.empty() && release.find('/') == std::string::npos)
                return release;
    throw Failure{ExitCode::KernelMissing, tree.string() + " is no kernel that has been built: it has no include/generated/utsrelease.h; run make there, or name the folder of its O="};
}

fs::path image_of_tree(const fs::path& tree, const std::string& release)
{
    for (const fs::path& image : {tree / "arch/x86/boot/bzImage", tree / "vmlinux", fs::path{"/boot/vmlinuz-" + release}})
        if (fs::exists(image))
            return fs::canonical(image); // Debian's arch/x86_64 is a link
    throw Failure{ExitCode::KernelMissing, "no kernel in " + tree.string() + ": run make bzImage there, or name its file: --kernel FILE"};
}

} // namespace

std::string release_of_kernel(const fs::path& image)
{
    constexpr std::size_t kMagic = 0x202, kVersion = 0x20e, kVersionBase = 0x200; // Documentation/x86/boot.rst
    constexpr std::string_view kBanner = "Linux version ";
    Mapping file{image};
    std::string_view text = file.text();
    std::string release;
    if (text.size() > kVersion + 2 && text.substr(kMagic, 4) == "HdrS") {
        std::uint16_t offset;
        std::memcpy(&offset, text.data() + kVersion, sizeof offset);
        release = word_at(text, kVersionBase + offset);
    } else if (text.starts_with("\177ELF")) {
        for (std::size_t at = text.find(kBanner); at != std::string::npos && release.empty(); at = text.find(kBanner, at + 1))
            if (std::string word = word_at(text, at + kBanner.size()); !word.empty() && isdigit(static_cast<unsigned char>(word[0])))
                release = word;
    }
    if (release.empty())
        throw Failure{ExitCode::KernelDamaged, "kernel " + image.string() + " is neither a bzImage nor a vmlinux of x86, or damaged"};
    return release;
}

KernelSource KernelSource::find(const std::string& what, const std::string& image, const std::string& tree, const std::string& modules)
{
    KernelSource source;
    bool is_folder = fs::is_directory(what);
    if (!fs::exists(what))
        throw Failure{ExitCode::KernelMissing, what + " is not there: name a kernel's build folder, or its bzImage or vmlinux"};
    if (is_folder && !tree.empty() && !fs::equivalent(what, tree))
        throw Failure{ExitCode::Usage, "two build folders: " + what + " and " + tree};
    source.tree = is_folder ? fs::canonical(what) : tree.empty() ? fs::path{} : fs::canonical(tree);
    if (!source.tree.empty())
        source.release = release_of_tree(source.tree);
    source.image = !image.empty() ? fs::absolute(image) : is_folder ? image_of_tree(source.tree, source.release) : fs::absolute(what);
    std::string release = release_of_kernel(source.image);
    if (!source.release.empty() && release != source.release)
        throw Failure{ExitCode::KernelUnfit, "kernel " + source.image.string() + " is " + release + ", but " + source.tree.string() + " is " + source.release +
                                                 ": run make there again, or name the kernel that belongs to it"};
    source.release = release;
    source.config_file = source.tree.empty() ? "/boot/config-" + release : (source.tree / ".config").string();
    if (!source.tree.empty() || fs::exists(source.config_file))
        source.config = KernelConfig::read(source.config_file);
    if (!modules.empty())
        source.modules = fs::absolute(modules);
    else if (!source.tree.empty() && fs::exists(source.tree / "modules.order"))
        source.modules = source.tree;
    else if (fs::is_directory("/lib/modules/" + release))
        source.modules = "/lib/modules/" + release;
    return source;
}

void KernelSource::check_config() const
{
    if (!config)
        return;
    std::string names;
    for (const KernelOption* option : missing_options(*config)) {
        std::string name{option->names};
        names += (names.empty() ? "CONFIG_" : ", CONFIG_") + name.substr(0, name.find('|'));
    }
    if (!names.empty())
        throw Failure{ExitCode::KernelUnfit, "kernel " + release + " lacks " + names + ": see why, and how to switch them on: colinux kernel config " + config_file};
}

} // namespace colinux
