// SPDX-License-Identifier: GPL-2.0
// One function per format, each a thin shell around the library that owns it. All of them unpack in one
// go into a buffer of the size that the kernel's size trailer promised.
#include "vmm/loader/decompress.hpp"

#include <bzlib.h>
#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <limits>
#include <stdexcept>
#include <string>

namespace colinux {
namespace {

using Output = std::span<std::byte>;

// Of memory that liblzma may take; the dictionary, whose size the file chooses (up to 4 GiB), is most of it. Kernels have 32
// to 128 MiB.
constexpr std::uint64_t kLzmaMemory = 256 << 20;

[[noreturn]] void damaged(std::string_view format)
{
    throw std::runtime_error{"the " + std::string{format} + " data in it is damaged"};
}

const std::uint8_t* octets(ByteView view) { return reinterpret_cast<const std::uint8_t*>(view.data()); }
std::uint8_t* octets(Output output) { return reinterpret_cast<std::uint8_t*>(output.data()); }

// Both formats of liblzma; the decoders need only the first stream (no concatenation), the x86 BCJ filter
// of kernel images is part of the library.
std::uint64_t run_lzma(lzma_stream& stream, ByteView packed, Output output, std::string_view format)
{
    stream.next_in = octets(packed);
    stream.avail_in = packed.size();
    stream.next_out = octets(output);
    stream.avail_out = output.size();
    lzma_ret status = lzma_code(&stream, LZMA_FINISH);
    std::uint64_t produced = stream.total_out;
    std::uint64_t needed = lzma_memusage(&stream);
    lzma_end(&stream);
    if (status == LZMA_MEMLIMIT_ERROR)
        throw std::runtime_error{"the " + std::string{format} + " data in it asks for " + std::to_string(needed >> 20) +
                                 " MiB of memory, of at most " + std::to_string(kLzmaMemory >> 20)};
    if (status != LZMA_STREAM_END)
        damaged(format);
    return produced;
}

std::uint64_t unpack_xz(ByteView packed, Output output)
{
    lzma_stream stream = LZMA_STREAM_INIT;
    if (lzma_stream_decoder(&stream, kLzmaMemory, 0) != LZMA_OK)
        damaged("xz");
    return run_lzma(stream, packed, output, "xz");
}

std::uint64_t unpack_lzma(ByteView packed, Output output)
{
    lzma_stream stream = LZMA_STREAM_INIT;
    if (lzma_alone_decoder(&stream, kLzmaMemory) != LZMA_OK)
        damaged("lzma");
    return run_lzma(stream, packed, output, "lzma");
}

std::uint64_t unpack_zstd(ByteView packed, Output output)
{
    std::size_t frame = ZSTD_findFrameCompressedSize(packed.data(), packed.size());
    if (ZSTD_isError(frame))
        damaged("zstd");
    std::size_t produced = ZSTD_decompress(output.data(), output.size(), packed.data(), frame);
    if (ZSTD_isError(produced))
        damaged("zstd");
    return produced;
}

// `lz4 -l`: a magic number, then blocks of {packed bytes, data}, each unpacking to at most 8 MiB.
std::uint64_t unpack_lz4(ByteView packed, Output output)
{
    constexpr std::uint64_t kBlockBytes = 8 << 20;
    std::uint64_t produced = 0;
    for (std::uint64_t in = 4; produced < output.size();) {
        if (!packed.holds(in, 4))
            damaged("lz4");
        std::uint32_t bytes = packed.at<std::uint32_t>(in);
        in += 4;
        if (bytes > LZ4_COMPRESSBOUND(kBlockBytes) || !packed.holds(in, bytes))
            damaged("lz4");
        int result = LZ4_decompress_safe(reinterpret_cast<const char*>(packed.data() + in),
                                         reinterpret_cast<char*>(output.data() + produced), static_cast<int>(bytes),
                                         static_cast<int>(std::min(kBlockBytes, output.size() - produced)));
        if (result <= 0)
            damaged("lz4");
        in += bytes;
        produced += static_cast<std::uint64_t>(result);
    }
    return produced;
}

std::uint64_t unpack_gzip(ByteView packed, Output output)
{
    z_stream stream{};
    if (inflateInit2(&stream, MAX_WBITS + 16) != Z_OK)
        damaged("gzip");
    stream.next_in = const_cast<Bytef*>(octets(packed));
    stream.avail_in = static_cast<uInt>(packed.size());
    stream.next_out = octets(output);
    stream.avail_out = static_cast<uInt>(output.size());
    int status = inflate(&stream, Z_FINISH);
    std::uint64_t produced = stream.total_out;
    inflateEnd(&stream);
    if (status != Z_STREAM_END)
        damaged("gzip");
    return produced;
}

std::uint64_t unpack_bzip2(ByteView packed, Output output)
{
    bz_stream stream{};
    if (BZ2_bzDecompressInit(&stream, 0, 0) != BZ_OK)
        damaged("bzip2");
    stream.next_in = const_cast<char*>(reinterpret_cast<const char*>(packed.data()));
    stream.avail_in = static_cast<unsigned>(packed.size());
    stream.next_out = reinterpret_cast<char*>(output.data());
    stream.avail_out = static_cast<unsigned>(output.size());
    int status = BZ2_bzDecompress(&stream);
    std::uint64_t produced = (std::uint64_t{stream.total_out_hi32} << 32) | stream.total_out_lo32;
    BZ2_bzDecompressEnd(&stream);
    if (status != BZ_STREAM_END)
        damaged("bzip2");
    return produced;
}

struct Format {
    std::string_view name;
    std::string_view magic;
    std::uint64_t (*unpack)(ByteView, Output); // null: recognised, not supported
};

using namespace std::string_view_literals;
constexpr std::array kFormats{
    Format{"xz", "\xfd"
                 "7zXZ\0"sv,
           unpack_xz},
    Format{"zstd", "\x28\xb5\x2f\xfd"sv, unpack_zstd},
    Format{"lz4", "\x02\x21\x4c\x18"sv, unpack_lz4},
    Format{"gzip", "\x1f\x8b\x08"sv, unpack_gzip},
    Format{"bzip2", "BZh"sv, unpack_bzip2},
    Format{"lzma", "\x5d\0\0"sv, unpack_lzma},
    Format{"lzo", "\x89LZO\0\r\n\x1a\n"sv, nullptr},
};

const Format* find_format(ByteView packed)
{
    std::string_view bytes{reinterpret_cast<const char*>(packed.data()), packed.size()};
    const auto* format = std::ranges::find_if(kFormats, [&](const Format& f) { return bytes.starts_with(f.magic); });
    return format == kFormats.end() ? nullptr : format;
}

} // namespace

std::string_view compression_format(ByteView packed)
{
    const Format* format = find_format(packed);
    return format ? format->name : "";
}

std::vector<std::byte> decompress(ByteView packed, std::uint64_t bytes)
{
    const Format* format = find_format(packed);
    if (!format)
        throw std::runtime_error{"its payload is in an unknown compression format"};
    if (!format->unpack)
        throw std::runtime_error{"its payload is compressed with " + std::string{format->name} + ", which is not supported"};
    if (packed.size() > std::numeric_limits<std::uint32_t>::max() || bytes > std::numeric_limits<std::uint32_t>::max())
        throw std::runtime_error{"its payload is larger than 4 GiB"};
    std::vector<std::byte> output(bytes);
    if (format->unpack(packed, output) != bytes)
        throw std::runtime_error{"its payload unpacks to another size than it says"};
    return output;
}

} // namespace colinux
