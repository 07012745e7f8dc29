// SPDX-License-Identifier: GPL-2.0
#include "fake_kernel.hpp"

#include "vmm/loader/btf.hpp"

#include <gtest/gtest.h>

namespace colinux::testing {
namespace {

TEST(Btf, StructSizes)
{
    auto bytes = fake_btf();
    Btf types{ByteView{bytes}};
    EXPECT_EQ(types.struct_sizes("pv_cpu_ops"), std::vector<std::uint64_t>{16});
    EXPECT_TRUE(types.struct_sizes("absent").empty());
}

TEST(Btf, MembersOfMembersAndOfAnonymousStructs)
{
    auto bytes = fake_btf();
    Btf types{ByteView{bytes}};
    ASSERT_EQ(types.members("pv_cpu_ops", "cpuid").size(), 1u);
    EXPECT_EQ(types.members("pv_cpu_ops", "cpuid")[0].offset, 8u);
    EXPECT_EQ(types.members("outer", "ops")[0].bytes, 16u);
    EXPECT_EQ(types.members("outer", "ops.cpuid")[0].offset, 16u);
    EXPECT_TRUE(types.members("outer", "ops.absent").empty());
    EXPECT_TRUE(types.members("outer", "head.cpuid").empty());
}

TEST(Btf, EnumConstants)
{
    auto bytes = fake_btf();
    Btf types{ByteView{bytes}};
    EXPECT_EQ(types.constants("cpuhp_state", "CPUHP_ONLINE"), std::vector<std::int64_t>{240});
    EXPECT_EQ(types.constants("", "CPUHP_ONLINE"), std::vector<std::int64_t>{240});
    EXPECT_TRUE(types.constants("other", "CPUHP_ONLINE").empty());
}

TEST(Btf, TruncatedSectionIsRejected)
{
    auto bytes = fake_btf();
    bytes.resize(bytes.size() - 1);
    EXPECT_THROW(Btf{ByteView{bytes}}, std::out_of_range);
    EXPECT_THROW(Btf{ByteView{}}, std::out_of_range);
}

} // namespace
} // namespace colinux::testing
