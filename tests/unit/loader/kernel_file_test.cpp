// SPDX-License-Identifier: GPL-2.0
// What is said about files that are no usable kernel.
#include "fake_kernel.hpp"
#include "test_files.hpp"
#include "vmm/loader/elf_image.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <elf.h>

namespace colinux::testing {
namespace {

Failure parse_failure(const Bytes& bytes)
{
    return failure_of([&] { parse_kernel_file(ByteView{bytes}, "k"); });
}

TEST(KernelFile, BzImageGivesItsElfImage)
{
    KernelFile file = parse_kernel_file(ByteView{FakeKernel{}.bzimage()}, "k");
    EXPECT_EQ(bytes_of(file.elf), FakeKernel{}.elf());
    EXPECT_EQ(file.setup_header.size(), 0x26c - 0x1f1);
}

TEST(KernelFile, PlainElfIsTaken)
{
    KernelFile file = parse_kernel_file(ByteView{FakeKernel{}.elf()}, "k");
    EXPECT_EQ(bytes_of(file.elf), FakeKernel{}.elf());
    EXPECT_TRUE(file.setup_header.empty());
}

TEST(KernelFile, MissingFileIsNamed)
{
    Failure failure = failure_of([] { read_kernel_file("/nonexistent/vmlinuz", {}); });
    EXPECT_EQ(failure.code(), ExitCode::KernelMissing);
    EXPECT_TRUE(mentions(failure, "/nonexistent/vmlinuz"));
}

TEST(KernelFile, DirectoryIsNoKernel)
{
    EXPECT_EQ(failure_of([] { read_kernel_file("/", {}); }).code(), ExitCode::KernelMissing);
}

TEST(KernelFile, TruncatedBzImage)
{
    Bytes bytes = FakeKernel{}.bzimage();
    bytes.resize(bytes.size() / 2);
    Failure failure = parse_failure(bytes);
    EXPECT_EQ(failure.code(), ExitCode::KernelDamaged);
    EXPECT_TRUE(mentions(failure, "truncated"));
}

TEST(KernelFile, DamagedPayload)
{
    Bytes bytes = FakeKernel{}.bzimage();
    for (std::size_t i = 3000; i < 3100; i++)
        bytes[i] ^= std::byte{0x55};
    Failure failure = parse_failure(bytes);
    EXPECT_EQ(failure.code(), ExitCode::KernelDamaged);
    EXPECT_TRUE(mentions(failure, "damaged"));
}

TEST(KernelFile, ThirtyTwoBitBzImage)
{
    Bytes bytes = FakeKernel{}.bzimage();
    bytes[0x236] = std::byte{0};
    EXPECT_TRUE(mentions(parse_failure(bytes), "32-bit x86"));
}

TEST(KernelFile, Arm64Image)
{
    Bytes bytes(4096);
    std::memcpy(bytes.data() + 0x38, "ARM\x64", 4);
    Failure failure = parse_failure(bytes);
    EXPECT_EQ(failure.code(), ExitCode::KernelDamaged);
    EXPECT_TRUE(mentions(failure, "64-bit ARM"));
}

TEST(KernelFile, ElfOfAnotherMachine)
{
    Bytes bytes = FakeKernel{}.elf();
    bytes[offsetof(Elf64_Ehdr, e_machine)] = std::byte{EM_AARCH64};
    EXPECT_TRUE(mentions(parse_failure(bytes), "64-bit ARM"));
}

TEST(KernelFile, SegmentWithMoreInTheFileThanInMemory)
{
    Bytes bytes = FakeKernel{}.elf();
    Elf64_Phdr first;
    std::memcpy(&first, bytes.data() + sizeof(Elf64_Ehdr), sizeof first);
    first.p_memsz = first.p_filesz - 1;
    std::memcpy(bytes.data() + sizeof(Elf64_Ehdr), &first, sizeof first);
    EXPECT_EQ(failure_of([&] { ElfImage{ByteView{bytes}, "k"}; }).code(), ExitCode::KernelDamaged);
}

TEST(KernelFile, OtherFilesAreNoKernels)
{
    EXPECT_TRUE(mentions(parse_failure(Bytes(100'000, std::byte{'x'})), "not a Linux kernel"));
    EXPECT_TRUE(mentions(parse_failure({}), "empty"));
}

} // namespace
} // namespace colinux::testing
