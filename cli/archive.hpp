// SPDX-License-Identifier: GPL-2.0
// An archive of a root file system (tar, plain or compressed), unpacked by libarchive. Whoever made it is not trusted: nothing is written outside the
// folder, not by absolute names, "..", nor by way of a link in it. Or one compressed file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace colinux {

class StopSignals;

enum class ArchiveKind { Tar, Compressed }; // files with names, or one stream of bytes
// nullopt: neither; what is not compressed and no tar is not looked into any further. Failure: ImportUnfit.
std::optional<ArchiveKind> archive_kind(const std::string& file);

// Into `folder`, with owners, rights, devices, times and extended attributes where this user may; bytes of what was unpacked.
// Failure: ImportUnfit (damaged, or a name that would lead out), NotSaved (no space), GuestKilled by a signal of `stop`.
std::uint64_t unpack_tar(const std::string& file, const std::string& folder, StopSignals* stop);

// What is compressed in `file`, as `to`, without long runs of zeroes. As unpack_tar().
void unpack_stream(const std::string& file, const std::string& to, StopSignals* stop);

} // namespace colinux
