// SPDX-License-Identifier: GPL-2.0
#include "cli/archive.hpp"

#include "cli/stop_signals.hpp"
#include "control/failure.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>

namespace colinux {

namespace {

constexpr std::size_t kBlock = 1 << 16;
constexpr std::int64_t kHole = 4096;

using Reader = std::unique_ptr<archive, decltype(&archive_read_free)>;
using Writer = std::unique_ptr<archive, decltype(&archive_write_free)>;

std::string words_of(archive* from) { return archive_error_string(from) ? archive_error_string(from) : "unknown trouble"; }

[[noreturn]] void refuse(const std::string& file, const std::string& why) { throw Failure{ExitCode::ImportUnfit, file + ": " + why}; }

[[noreturn]] void refuse_write(const std::string& to, int error)
{
    throw Failure{ExitCode::NotSaved, to + ": " + strerror(error) + (error == ENOSPC ? "; make room, or choose another COLINUX_STATE_DIR" : "")};
}

Reader open_archive(const std::string& file, bool raw)
{
    Reader reader{archive_read_new(), archive_read_free};
    archive_read_support_filter_all(reader.get());
    archive_read_support_format_tar(reader.get());
    archive_read_support_format_gnutar(reader.get());
    if (raw) {
        archive_read_support_format_raw(reader.get());
        archive_read_support_format_empty(reader.get());
    }
    if (archive_read_open_filename(reader.get(), file.c_str(), kBlock) != ARCHIVE_OK)
        refuse(file, "cannot be read: " + words_of(reader.get()));
    return reader;
}

// libarchive refuses these, too; here they have their name in the message.
void check_name(const std::string& file, const char* name)
{
    std::string_view text = name ? name : "";
    if (text.empty() || text.starts_with('/') || ("/" + std::string{text} + "/").find("/../") != std::string::npos)
        refuse(file, "has the file '" + std::string{text} + "', which would not lie in the image; pack it anew from within the root folder: tar -C ROOT -c .");
}

// The names in an archive are relative to here; libarchive follows no link below.
class WorkingFolder {
public:
    explicit WorkingFolder(const std::string& folder) : before_{open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)}
    {
        if (chdir(folder.c_str()) != 0)
            refuse_write(folder, errno);
    }
    ~WorkingFolder() { (void)!fchdir(before_.get()); }
    WorkingFolder(const WorkingFolder&) = delete;
    WorkingFolder& operator=(const WorkingFolder&) = delete;

private:
    UniqueFd before_;
};

std::uint64_t copy_content(archive* from, archive* to, const std::string& file, const char* name, StopSignals* stop)
{
    const void* bytes;
    std::size_t count;
    std::int64_t offset;
    std::uint64_t all = 0;
    for (int result; (result = archive_read_data_block(from, &bytes, &count, &offset)) != ARCHIVE_EOF; all += count) {
        if (stop)
            stop->check();
        if (result != ARCHIVE_OK)
            refuse(file, std::string{name} + " in it is damaged: " + words_of(from));
        if (archive_write_data_block(to, bytes, count, offset) != ARCHIVE_OK)
            refuse_write(name, archive_errno(to) ? archive_errno(to) : EIO);
    }
    return all;
}

} // namespace

std::optional<ArchiveKind> archive_kind(const std::string& file)
{
    Reader reader = open_archive(file, true);
    archive_entry* entry;
    int result = archive_read_next_header(reader.get(), &entry);
    bool compressed = archive_filter_count(reader.get()) > 1;
    if (result == ARCHIVE_EOF && compressed)
        refuse(file, "has nothing in it");
    if (result == ARCHIVE_EOF) // a disk's first blocks, all zeroes, are an empty tar
        return std::nullopt;
    if (result < ARCHIVE_WARN) {
        if (compressed)
            refuse(file, "is damaged: " + words_of(reader.get()));
        return std::nullopt;
    }
    if (archive_format(reader.get()) != ARCHIVE_FORMAT_RAW)
        return ArchiveKind::Tar;
    return compressed ? std::optional{ArchiveKind::Compressed} : std::nullopt;
}

std::uint64_t unpack_tar(const std::string& file, const std::string& folder, StopSignals* stop)
{
    Reader reader = open_archive(file, false);
    WorkingFolder inside{folder};
    Writer writer{archive_write_disk_new(), archive_write_free};
    int kept = ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_XATTR | ARCHIVE_EXTRACT_ACL | (geteuid() == 0 ? ARCHIVE_EXTRACT_OWNER : 0);
    archive_write_disk_set_options(writer.get(), kept | ARCHIVE_EXTRACT_SECURE_SYMLINKS | ARCHIVE_EXTRACT_SECURE_NODOTDOT | ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS |
                                                     ARCHIVE_EXTRACT_SPARSE); // numbers of owners, not this host's names
    std::uint64_t bytes = 0;
    archive_entry* entry;
    for (int result; (result = archive_read_next_header(reader.get(), &entry)) != ARCHIVE_EOF;) {
        if (stop)
            stop->check();
        if (result < ARCHIVE_WARN)
            refuse(file, "is damaged or cut off: " + words_of(reader.get()));
        check_name(file, archive_entry_pathname(entry));
        if (const char* link = archive_entry_hardlink(entry))
            check_name(file, link);
        std::string name = archive_entry_pathname(entry);
        if (archive_write_header(writer.get(), entry) < ARCHIVE_WARN) {
            int error = archive_errno(writer.get());
            if (error == ENOSPC || error == EDQUOT || error == EIO || error == EROFS)
                refuse_write(name, error);
            refuse(file, "'" + name + "' cannot be unpacked: " + words_of(writer.get()));
        }
        if (archive_entry_size(entry) > 0 && !archive_entry_hardlink(entry))
            bytes += copy_content(reader.get(), writer.get(), file, name.c_str(), stop);
        bytes += kHole; // its inode, or so
        if (archive_write_finish_entry(writer.get()) < ARCHIVE_WARN)
            refuse_write(name, archive_errno(writer.get()) ? archive_errno(writer.get()) : EIO);
    }
    if (archive_write_close(writer.get()) < ARCHIVE_WARN)
        refuse_write(folder, archive_errno(writer.get()) ? archive_errno(writer.get()) : EIO);
    return bytes;
}

void unpack_stream(const std::string& file, const std::string& to, StopSignals* stop)
{
    Reader reader = open_archive(file, true);
    UniqueFd fd{open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
    if (!fd)
        refuse_write(to, errno);
    archive_entry* entry;
    if (archive_read_next_header(reader.get(), &entry) < ARCHIVE_WARN)
        refuse(file, "is damaged: " + words_of(reader.get()));
    const void* data;
    std::size_t count;
    std::int64_t offset, end = 0;
    for (int result; (result = archive_read_data_block(reader.get(), &data, &count, &offset)) != ARCHIVE_EOF;) {
        if (stop)
            stop->check();
        if (result != ARCHIVE_OK)
            refuse(file, "is damaged or cut off: " + words_of(reader.get()));
        for (const char* bytes = static_cast<const char*>(data); count > 0;) {
            std::size_t piece = std::min<std::size_t>(count, static_cast<std::size_t>(kHole - offset % kHole));
            bool zero = std::all_of(bytes, bytes + piece, [](char c) { return c == 0; });
            if (!zero && pwrite(fd.get(), bytes, piece, offset) != static_cast<ssize_t>(piece))
                refuse_write(to, errno ? errno : ENOSPC);
            bytes += piece;
            count -= piece;
            offset += static_cast<std::int64_t>(piece);
        }
        end = offset;
    }
    if (ftruncate(fd.get(), end) != 0)
        refuse_write(to, errno);
}

} // namespace colinux
