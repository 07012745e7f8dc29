// SPDX-License-Identifier: GPL-2.0
// Decompression of a kernel image's payload, in every format that x86 kernels are packed with except LZO.
#pragma once

#include "vmm/loader/byte_view.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace colinux {

// "xz", "zstd", "lz4", "gzip", "lzma", "bzip2", "lzo", or "" when the first bytes are none of them.
std::string_view compression_format(ByteView packed);

// Unpacks `packed`, which must yield exactly `bytes` bytes; input behind the end of the stream is
// ignored. Throws std::runtime_error with what is wrong (no file name), also for lzo and unknown formats.
std::vector<std::byte> decompress(ByteView packed, std::uint64_t bytes);

} // namespace colinux
