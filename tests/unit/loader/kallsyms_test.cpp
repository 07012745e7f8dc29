// SPDX-License-Identifier: GPL-2.0
#include "fake_kernel.hpp"

#include "vmm/loader/kallsyms.hpp"

#include <gtest/gtest.h>

namespace colinux::testing {
namespace {

class KallsymsOrder : public ::testing::TestWithParam<FakeKernel> {};

TEST_P(KallsymsOrder, EverySymbolIsFound)
{
    auto bytes = GetParam().elf();
    ElfImage elf{ByteView{bytes}, "k"};
    auto symbols = Kallsyms::decode(elf);
    ASSERT_TRUE(symbols);
    EXPECT_EQ(symbols->symbols().size(), 1500u);
    EXPECT_EQ(symbols->address("pv_ops"), FakeKernel::kPvOps);
    EXPECT_EQ(symbols->address("current_task"), FakeKernel::kPerCpu);
    EXPECT_EQ(symbols->named("pv_ops").front().type, 'D');
    EXPECT_EQ(symbols->named("twice").size(), 2u);
    EXPECT_EQ(symbols->address(std::string(200, 'n')), FakeKernel::kText + 0x30);
    EXPECT_FALSE(symbols->address("absent"));
}

INSTANTIATE_TEST_SUITE_P(Orders, KallsymsOrder,
                         ::testing::Values(FakeKernel{.old_order = true, .sequence_table = false}, FakeKernel{.old_order = true, .sequence_table = true},
                                           FakeKernel{.old_order = false}),
                         [](const auto& info) {
                             return !info.param.old_order ? "From6_4" : info.param.sequence_table ? "Debian6_1" : "Upstream6_1";
                         });

TEST(Kallsyms, DamagedTablesNeverThrow)
{
    auto bytes = FakeKernel{}.elf();
    for (std::size_t at = bytes.size() - 30'000; at < bytes.size(); at += 307) {
        auto damaged = bytes;
        damaged[at] ^= std::byte{0xff};
        ElfImage elf{ByteView{damaged}, "k"};
        EXPECT_NO_THROW(Kallsyms::decode(elf));
    }
}

TEST(Kallsyms, MarkerThatNamesAnotherPlace)
{
    auto bytes = FakeKernel{.wrong_marker = 1}.elf();
    ElfImage elf{ByteView{bytes}, "k"};
    EXPECT_FALSE(Kallsyms::decode(elf));
}

TEST(Kallsyms, ImageWithoutTables)
{
    auto bytes = FakeKernel{}.elf();
    bytes.resize(bytes.size() - 600); // the token index is the last table
    bytes.resize(bytes.size() + 600);
    ElfImage elf{ByteView{bytes}, "k"};
    EXPECT_FALSE(Kallsyms::decode(elf));
}

} // namespace
} // namespace colinux::testing
