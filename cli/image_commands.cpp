// SPDX-License-Identifier: GPL-2.0
// `colinux image ls, rm, verify, fsck, resize, export, import`: the images in /var/lib/colinux/images, or, but for ls, rm and import, any image file.
#include "cli/boot_files.hpp"
#include "cli/commands.hpp"
#include "cli/disk_copy.hpp"
#include "cli/ext_image.hpp"
#include "cli/ext_root.hpp"
#include "cli/image_import.hpp"
#include "cli/image_store.hpp"
#include "cli/stop_signals.hpp"
#include "cli/subprocess.hpp"
#include "control/config_text.hpp"
#include "control/disk_content.hpp"
#include "control/disk_file.hpp"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>

namespace colinux {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr std::uint64_t kSmallest = 1 << 20;

std::string kernel_of(const std::string& path) // the newest in it; empty: none
{
    std::string newest, line;
    try {
        DiskFile disk = DiskFile::open({path, true});
        if (std::optional<ExtImage> image = ExtImage::open(disk.fd(), disk.start()))
            for (const std::string& name : image->names_in("/boot"))
                if (name.starts_with("vmlinuz-") && strverscmp(name.c_str() + 8, newest.c_str()) > 0)
                    newest = name.substr(8);
    } catch (const Failure&) {
        // a guest writes to it: the cache knows
    }
    if (newest.empty() && std::getline(std::ifstream{path + ".boot/release"}, line))
        newest = line;
    return newest.empty() && fs::exists(path + ".boot/vmlinuz") ? "(beside it)" : newest;
}

bool is_in_use(const std::string& path)
{
    try {
        DiskFile::open({path}, std::chrono::milliseconds{0});
    } catch (const Failure& failure) {
        return failure.code() == ExitCode::DiskBusy;
    }
    return false;
}

void list(bool as_json)
{
    ImageStore store;
    json images = json::array();
    for (const std::string& name : store.names()) {
        struct stat status{};
        std::string path = store.path(name);
        if (stat(path.c_str(), &status) != 0)
            continue; // removed meanwhile
        images.push_back({{"name", name}, {"file", path}, {"bytes", status.st_size}, {"bytes_on_disk", status.st_blocks * 512}, {"kernel", kernel_of(path)}, {"in_use", is_in_use(path)}});
    }
    if (as_json) {
        std::cout << images.dump(2) << "\n";
        return;
    }
    std::printf("%-24s %8s %8s  %-6s  %s\n", "NAME", "SIZE", "ON DISK", "IN USE", "KERNEL");
    for (const json& one : images)
        std::printf("%-24s %7lluM %7lluM  %-6s  %s\n", one["name"].get<std::string>().c_str(), one["bytes"].get<unsigned long long>() >> 20,
                    one["bytes_on_disk"].get<unsigned long long>() >> 20, one["in_use"] ? "yes" : "no", one["kernel"].get<std::string>().c_str());
}

// Nobody uses it, nor begins to, while this lives.
DiskFile open_alone(const std::string& path)
{
    DiskFile disk = DiskFile::open({path});
    if (!partitions_in(disk.fd()).empty())
        throw Failure{ExitCode::DiskPartition, path + " is partitioned, and this is for images of one file system: colinux image import " + path + " makes one"};
    return disk;
}

void remove(const std::vector<std::string>& names)
{
    ImageStore store;
    for (const std::string& name : names) {
        if (name.find('/') != std::string::npos)
            throw Failure{ExitCode::Usage, "'" + name + "': rm is for images of the store; a file is removed by: rm " + name};
        store.find(name);
    }
    UniqueFd lock = store.lock();
    for (const std::string& name : names) {
        std::string path = store.find(name);
        DiskFile alone = DiskFile::open({path});
        std::error_code error;
        fs::remove_all(path + ".boot", error);
        fs::remove(path, error);
        if (error)
            throw Failure{error == std::errc::permission_denied ? ExitCode::NotRoot : ExitCode::NotSaved, path + ": " + error.message()};
    }
}

void verify(const std::string& which)
{
    StopSignals stop;
    std::string path = ImageStore{}.find(which);
    DiskFile disk = DiskFile::open({path, true}); // nobody writes to it meanwhile
    check_root_disk({path, true});
    std::string type = file_system_at(disk.fd(), disk.start(), disk.bytes());
    if (!type.starts_with("ext"))
        throw Failure{ExitCode::ImageDamaged, path + " is " + (type.empty() ? "no file system that is known" : type) + ", and only ext2, 3 and 4 can be looked into"};
    check_file_system(path, false, stop);
    std::optional<ExtImage> image = ExtImage::open(disk.fd(), disk.start());
    constexpr std::array<const char*, 4> inits{"/sbin/init", "/etc/init", "/bin/init", "/bin/sh"};
    if (!image || std::ranges::none_of(inits, [&](const char* init) { return image->has(init); }))
        throw Failure{ExitCode::ImageDamaged, path + ": its file system is sound, but has no init: it is no guest's root"};
    BootFiles kernel = BootFiles::find({path, true}, &stop);
    std::cout << path << ": its file system is sound, it has an init and a kernel" << (kernel.note().empty() ? "" : " (" + kernel.note() + ")") << "\n";
}

void check(const std::string& which)
{
    StopSignals stop;
    std::string path = ImageStore{}.find(which);
    DiskFile alone = open_alone(path);
    std::cout << path << (check_file_system(path, true, stop) == Soundness::Sound ? ": its file system is sound\n" : ": its file system had errors, which are repaired\n");
}

void resize(const std::string& which, const std::string& size)
{
    StopSignals stop;
    std::uint64_t bytes = (parse_size(size) + kSmallest - 1) / kSmallest * kSmallest;
    if (bytes < kSmallest)
        throw Failure{ExitCode::Usage, "size '" + size + "': at least 1M"};
    std::string path = ImageStore{}.find(which);
    open_alone(path);
    DiskFile held = DiskFile::open({path, true}); // nobody begins to write to it
    struct stat before{};
    fstat(held.fd(), &before);
    ScratchFolder scratch{fs::path{path}.parent_path()}; // a resize2fs that is killed leaves a ruin
    std::string copy = scratch.path() + "/image";
    copy_disk({path}, copy, stop);
    resize_file_system(copy, bytes, stop);
    stop.check();
    if (chmod(copy.c_str(), before.st_mode & 07777) != 0 || (geteuid() == 0 && chown(copy.c_str(), before.st_uid, before.st_gid) != 0) ||
        rename(copy.c_str(), path.c_str()) != 0)
        throw Failure{ExitCode::NotSaved, path + ": " + strerror(errno)};
    std::cout << path << " is " << size_text(fs::file_size(path)) << " now\n";
}

void export_image(const std::string& which, const std::string& to)
{
    StopSignals stop;
    std::string path = ImageStore{}.find(which), extension = fs::path{to}.extension();
    if (fs::exists(to))
        throw Failure{ExitCode::Usage, to + " is there already: choose another name"};
    if (extension == ".raw" || extension == ".img")
        return copy_disk({path}, to, stop);
    constexpr std::array<const char*, 5> formats{".qcow2", ".vmdk", ".vhdx", ".vdi", ".vpc"};
    if (std::ranges::find(formats, extension) == formats.end())
        throw Failure{ExitCode::Usage, "'" + to + "': the name's end says the format: .raw, .img, .qcow2, .vmdk, .vhdx, .vdi"};
    need_program("qemu-img", "qemu-utils");
    DiskFile disk = DiskFile::open({path, true}); // a lock that qemu-img would take for a writer's: locking=off
    std::string source = "driver=raw,file.driver=file,file.locking=off,file.filename=";
    for (char c : path)
        source += c == ',' ? ",," : std::string{c};
    std::string unfinished = to + ".unfinished";
    std::error_code ignored;
    try {
        if (run_and_capture({"qemu-img", "convert", "--image-opts", "-O", extension.substr(1), source, unfinished}, &stop).status != 0)
            throw Failure{ExitCode::NotSaved, to + " cannot be written by qemu-img: is there room, and is the folder there?"};
    } catch (const Failure&) {
        fs::remove(unfinished, ignored);
        throw;
    }
    fs::rename(unfinished, to);
}

void import(ImportOptions options, const std::string& name, const std::string& size)
{
    if (geteuid() != 0)
        throw Failure{ExitCode::NotRoot, "files of root's are made in the image: run this as root"};
    if (options.kernel.empty() != options.initrd.empty())
        throw Failure{ExitCode::Usage, "--kernel and --initrd go together: an initramfs is for its kernel"};
    for (auto [file, code] : {std::pair{options.kernel, ExitCode::KernelMissing}, std::pair{options.initrd, ExitCode::InitrdUnfit}})
        if (!file.empty() && !fs::is_regular_file(file))
            throw Failure{code, file + " is not there"};
    if (!size.empty())
        options.bytes = parse_size(size);
    StopSignals stop;
    ImageStore store;
    store.place_for(name);
    options.source = fs::absolute(options.source);
    UniqueFd lock = store.lock();
    std::string path = store.place_for(name);
    for (const std::string& line : import_image(options, path, stop))
        std::cerr << "colinux: " << line << "\n";
    std::cout << path << "\n";
}

} // namespace

void add_image_commands(CLI::App& image, int& exit_code)
{
    auto name = std::make_shared<std::string>(), size = std::make_shared<std::string>(), file = std::make_shared<std::string>();
    auto names = std::make_shared<std::vector<std::string>>();
    auto as_json = std::make_shared<bool>(false);
    auto options = std::make_shared<ImportOptions>();
    auto command = [&](const char* word, const char* description, const char* footer, const std::function<void()>& task) {
        CLI::App* one = image.add_subcommand(word, description);
        one->footer(footer);
        one->callback([task, &exit_code] {
            try {
                task();
                exit_code = 0;
            } catch (const Failure& failure) {
                if (failure.code() != ExitCode::GuestKilled)
                    throw;
                std::cerr << "colinux: interrupted; nothing half-made is left\n";
                exit_code = 130;
            }
        });
        return one;
    };
    constexpr const char* kWhich = "a name of the store's, or a file's with a '/' in it";

    CLI::App* ls = command("ls", "List the images of the store, /var/lib/colinux/images", "\nExample:\n  colinux image ls", [=] { list(*as_json); });
    ls->add_flag("--json", *as_json, "as one JSON array");

    CLI::App* import_command = command("import", "Make an image of a root file system from elsewhere",
                                       "\nNothing of it is mounted. fstab, console and network are put right, and what was changed is told (docs/images.md).\n\nExamples:\n"
                                       "  colinux image import rootfs.tar.xz alpine --kernel /var/lib/colinux/images/debian.raw.boot/vmlinuz --initrd "
                                       "/var/lib/colinux/images/debian.raw.boot/initrd.img\n  colinux image import cloud.qcow2 cloud --partition 1",
                                       [=] { import(*options, *name, *size); });
    import_command->add_option("SOURCE", options->source, "a folder, a tar archive (plain, gz, bz2, xz, zst), or a disk image: raw, also compressed, qcow2, vmdk, vhd, vhdx, vdi")->required();
    import_command->add_option("IMAGE", *name, "its name in the store")->required();
    import_command->add_option("--size", *size, "of the file system, as 4G (default: what is in it, and room)");
    import_command->add_option("--partition", options->partition, "of a disk image that has more than one root file system");
    import_command->add_option("--kernel", options->kernel, "where it has none: a vmlinuz, which is kept beside it")->type_name("FILE");
    import_command->add_option("--initrd", options->initrd, "and its initramfs")->type_name("FILE");
    import_command->add_flag("--root-login", options->root_login, "take root's password away: on the guest's console, which is for the host's root");

    command("rm", "Remove images of the store", "\nOne that a guest uses stays.\n\nExample:\n  colinux image rm alpine", [=] { remove(*names); })
        ->add_option("IMAGE", *names, "their names")->required();
    command("verify", "Say whether an image can be a guest's root: its file system is sound, it has an init and a kernel",
            "\nNothing is changed.\n\nExample:\n  colinux image verify debian", [=] { verify(*name); })
        ->add_option("IMAGE", *name, kWhich)->required();
    command("fsck", "Check an image's file system and repair it", "\nExample:\n  colinux image fsck debian", [=] { check(*name); })->add_option("IMAGE", *name, kWhich)->required();

    CLI::App* resize_command = command("resize", "Make an image and its file system larger or smaller",
                                       "\nIts file system is checked first. Nothing is lost: what is too small is refused.\n\nExamples:\n  colinux image resize debian 8G\n"
                                       "  colinux image resize /var/lib/colinux/web/disk0.raw 20G",
                                       [=] { resize(*name, *size); });
    resize_command->add_option("IMAGE", *name, kWhich)->required();
    resize_command->add_option("SIZE", *size, "the new one, as 8G")->required();

    CLI::App* export_command = command("export", "Copy an image out of the store", "\nExamples:\n  colinux image export debian debian.raw\n  colinux image export debian debian.qcow2",
                                       [=] { export_image(*name, *file); });
    export_command->add_option("IMAGE", *name, kWhich)->required();
    export_command->add_option("FILE", *file, "the copy; its end says the format: .raw, .img, .qcow2, .vmdk, .vhdx, .vdi")->required();
}

} // namespace colinux
