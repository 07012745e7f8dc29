// SPDX-License-Identifier: GPL-2.0
// Every format that a kernel may be packed in, packed with its own library and unpacked by ours.
#include "test_files.hpp"

#include "vmm/loader/decompress.hpp"

#include <bzlib.h>
#include <gtest/gtest.h>
#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <cstring>

namespace colinux::testing {
namespace {

std::uint8_t* octets(Bytes& bytes) { return reinterpret_cast<std::uint8_t*>(bytes.data()); }
char* characters(Bytes& bytes) { return reinterpret_cast<char*>(bytes.data()); }

// Machine-code-like: calls at regular places, so that the x86 filter has work.
Bytes sample()
{
    Bytes bytes(300'000);
    for (std::size_t i = 0; i < bytes.size(); i++)
        bytes[i] = static_cast<std::byte>(i % 16 == 0 ? 0xe8 : i * i / 977);
    return bytes;
}

Bytes pack_lzma(lzma_stream stream, bool ready)
{
    EXPECT_TRUE(ready);
    Bytes in = sample(), out(in.size() + 4096);
    stream.next_in = octets(in);
    stream.avail_in = in.size();
    stream.next_out = octets(out);
    stream.avail_out = out.size();
    EXPECT_EQ(lzma_code(&stream, LZMA_FINISH), LZMA_STREAM_END);
    out.resize(stream.total_out);
    lzma_end(&stream);
    return out;
}

Bytes pack_xz()
{
    lzma_options_lzma options;
    lzma_lzma_preset(&options, 6);
    lzma_filter filters[] = {{LZMA_FILTER_X86, nullptr}, {LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, nullptr}};
    lzma_stream stream = LZMA_STREAM_INIT;
    bool ready = lzma_stream_encoder(&stream, filters, LZMA_CHECK_CRC32) == LZMA_OK;
    return pack_lzma(stream, ready);
}

Bytes pack_lzma_alone()
{
    lzma_options_lzma options;
    lzma_lzma_preset(&options, 6);
    lzma_stream stream = LZMA_STREAM_INIT;
    bool ready = lzma_alone_encoder(&stream, &options) == LZMA_OK;
    return pack_lzma(stream, ready);
}

Bytes pack_zstd()
{
    Bytes in = sample(), out(ZSTD_compressBound(in.size()));
    out.resize(ZSTD_compress(out.data(), out.size(), in.data(), in.size(), 5));
    return out;
}

Bytes pack_lz4()
{
    Bytes in = sample(), out(LZ4_COMPRESSBOUND(in.size()) + 8);
    std::uint32_t magic = 0x184c2102;
    auto bytes = static_cast<std::uint32_t>(
        LZ4_compress_default(characters(in), characters(out) + 8, static_cast<int>(in.size()), static_cast<int>(out.size() - 8)));
    std::memcpy(out.data(), &magic, 4);
    std::memcpy(out.data() + 4, &bytes, 4);
    out.resize(8 + bytes);
    return out;
}

Bytes pack_gzip()
{
    Bytes in = sample(), out(in.size() + 4096);
    z_stream stream{};
    EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = octets(in);
    stream.avail_in = static_cast<uInt>(in.size());
    stream.next_out = octets(out);
    stream.avail_out = static_cast<uInt>(out.size());
    EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return out;
}

Bytes pack_bzip2()
{
    Bytes in = sample(), out(in.size() + 4096);
    auto bytes = static_cast<unsigned>(out.size());
    EXPECT_EQ(BZ2_bzBuffToBuffCompress(characters(out), &bytes, characters(in), static_cast<unsigned>(in.size()), 9, 0, 0), BZ_OK);
    out.resize(bytes);
    return out;
}

struct Case {
    const char* name;
    Bytes (*pack)();
};
class Decompress : public ::testing::TestWithParam<Case> {};

TEST_P(Decompress, GivesBackWhatWasPackedAndIgnoresATrailer)
{
    Bytes packed = GetParam().pack();
    packed.resize(packed.size() + 4, std::byte{0x5a});
    EXPECT_EQ(compression_format(ByteView{packed}), GetParam().name);
    EXPECT_EQ(decompress(ByteView{packed}, sample().size()), sample());
}

TEST_P(Decompress, RejectsTruncatedData)
{
    Bytes packed = GetParam().pack();
    packed.resize(packed.size() / 2);
    EXPECT_THROW(decompress(ByteView{packed}, sample().size()), std::runtime_error);
}

TEST_P(Decompress, RejectsAnotherSizeThanPromised)
{
    Bytes packed = GetParam().pack();
    EXPECT_THROW(decompress(ByteView{packed}, sample().size() + 1), std::runtime_error);
    EXPECT_THROW(decompress(ByteView{packed}, sample().size() - 1), std::runtime_error);
}

INSTANTIATE_TEST_SUITE_P(Formats, Decompress,
                         ::testing::Values(Case{"xz", pack_xz}, Case{"lzma", pack_lzma_alone}, Case{"zstd", pack_zstd},
                                           Case{"lz4", pack_lz4}, Case{"gzip", pack_gzip}, Case{"bzip2", pack_bzip2}),
                         [](const auto& info) { return info.param.name; });

// Bug, found by fuzz_bzimage: the size of the dictionary is the file's, and 3 GiB were allocated for it.
TEST(Decompression, ADictionaryLargerThanAnyKernelsIsRejected)
{
    Bytes packed = pack_lzma_alone();
    const std::uint32_t three_gib = 3u << 30;
    std::memcpy(packed.data() + 1, &three_gib, sizeof three_gib);
    try {
        decompress(ByteView{packed}, sample().size());
        FAIL() << "unpacked";
    } catch (const std::runtime_error& error) {
        EXPECT_NE(std::string_view{error.what()}.find("asks for 3072 MiB of memory"), std::string_view::npos) << error.what();
    }
}

TEST(Decompression, UnknownFormatIsRejected)
{
    Bytes bytes(64, std::byte{1});
    EXPECT_EQ(compression_format(ByteView{bytes}), "");
    EXPECT_THROW(decompress(ByteView{bytes}, 64), std::runtime_error);
}

} // namespace
} // namespace colinux::testing
