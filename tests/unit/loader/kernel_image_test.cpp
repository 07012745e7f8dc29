// SPDX-License-Identifier: GPL-2.0
// Kernels that cannot be taken over are refused with the reason.
#include "fake_kernel.hpp"
#include "test_files.hpp"

#include "vmm/loader/kernel_image.hpp"

#include <gtest/gtest.h>

namespace colinux::testing {
namespace {

Failure open_failure(const Bytes& elf)
{
    return failure_of([&] { KernelImage::from(KernelFile::from_elf(elf), "k"); });
}

TEST(KernelImage, ReleaseComesFromTheBanner)
{
    KernelImage kernel = KernelImage::from(KernelFile::from_elf(FakeKernel{.release = "6.12.1-abc"}.elf()), "k");
    EXPECT_EQ(kernel.release(), "6.12.1-abc");
    EXPECT_EQ(kernel.banner(), "Linux version 6.12.1-abc (builder@example) #1 SMP");
}

TEST(KernelImage, AmbiguousStaticSymbolIsRefused)
{
    KernelImage kernel = KernelImage::from(KernelFile::from_elf(FakeKernel{}.elf()), "k");
    EXPECT_EQ(failure_of([&] { kernel.resolve("twice"); }).code(), ExitCode::KernelUnfit);
    EXPECT_EQ(kernel.resolve("absent"), std::nullopt);
}

TEST(KernelImage, GlobalSymbolWinsOverStaticOnes)
{
    FakeKernel fake;
    fake.more_symbols = {{"Ttwice", FakeKernel::kText + 0x99}};
    KernelImage kernel = KernelImage::from(KernelFile::from_elf(fake.elf()), "k");
    EXPECT_EQ(kernel.resolve("twice"), FakeKernel::kText + 0x99);
}

TEST(KernelImage, WithoutTypeInformation)
{
    Failure failure = open_failure(FakeKernel{.with_btf = false}.elf());
    EXPECT_EQ(failure.code(), ExitCode::KernelUnfit);
    EXPECT_TRUE(mentions(failure, "CONFIG_DEBUG_INFO_BTF"));
}

TEST(KernelImage, WithoutParavirtXxl)
{
    Failure failure = open_failure(with_text(FakeKernel{}.elf(), "pv_cpu_ops", "pv_nop_ops"));
    EXPECT_EQ(failure.code(), ExitCode::KernelUnfit);
    EXPECT_TRUE(mentions(failure, "CONFIG_PARAVIRT_XXL"));
}

TEST(KernelImage, WithoutDataSymbols)
{
    Failure failure = open_failure(with_text(FakeKernel{}.elf(), "Dx86_init", "Dx86_exit"));
    EXPECT_TRUE(mentions(failure, "CONFIG_KALLSYMS_ALL"));
}

TEST(KernelImage, WithoutBannerIsNoLinux)
{
    EXPECT_EQ(open_failure(with_text(FakeKernel{}.elf(), "Linux version", "Minix version")).code(), ExitCode::KernelDamaged);
}

} // namespace
} // namespace colinux::testing
