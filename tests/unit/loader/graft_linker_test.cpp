// SPDX-License-Identifier: GPL-2.0
// Relocations, groups and symbols of the compiled test graft.
#include "fake_kernel.hpp"
#include "test_files.hpp"

#include "vmm/loader/graft_linker.hpp"

#include <gtest/gtest.h>

#include <map>

namespace colinux::testing {
namespace {

using Symbols = std::map<std::string, std::uint64_t, std::less<>>;

Symbols kernel_symbols()
{
    return {{"kernel_function", FakeKernel::kFunction}, {"pv_ops", FakeKernel::kPvOps}, {"level2_fixmap_pgt", FakeKernel::kPageDirectory},
            {"secondary_startup_64", FakeKernel::kText}, {"current_task", FakeKernel::kPerCpu}};
}

LinkedGraft link(const Symbols& symbols)
{
    return link_graft(GraftObject::parse(graft_bytes("r"), "graft.o"), [&](std::string_view name) {
        auto found = symbols.find(name);
        return found == symbols.end() ? std::nullopt : std::optional{found->second};
    });
}

template <typename T>
T at(const LinkedGraft& graft, std::uint64_t virt)
{
    return ByteView{graft.image}.at<T>(virt - CO_GRAFT_VIRT);
}

TEST(GraftLinker, GroupsStartOnPages)
{
    LinkedGraft graft = link(kernel_symbols());
    EXPECT_EQ(graft.text_bytes % 4096, 0u);
    EXPECT_EQ(graft.read_only_end % 4096, 0u);
    EXPECT_LT(graft.address("co_entry"), CO_GRAFT_VIRT + graft.text_bytes);
    EXPECT_GE(graft.address("constant_pointer"), CO_GRAFT_VIRT + graft.text_bytes);
    EXPECT_LT(graft.address("constant_pointer"), CO_GRAFT_VIRT + graft.read_only_end);
    EXPECT_GE(graft.address("co_boot_info"), CO_GRAFT_VIRT + graft.read_only_end);
    EXPECT_EQ(graft.address("co_boot_info") % 4096, 0u);
}

TEST(GraftLinker, AbsoluteAndRelativeRelocations)
{
    LinkedGraft graft = link(kernel_symbols());
    EXPECT_EQ(at<std::uint64_t>(graft, graft.address("constant_pointer")), FakeKernel::kPvOps);
    EXPECT_EQ(at<std::uint64_t>(graft, graft.address("variable_pointer")), graft.address("variable_pointer"));
    EXPECT_EQ(at<std::uint64_t>(graft, graft.address("absent_pointer")), 0u);
    EXPECT_EQ(at<std::int32_t>(graft, graft.address("reads_per_cpu") + 5), static_cast<std::int32_t>(FakeKernel::kPerCpu));
}

TEST(GraftLinker, CallReachesTheKernel)
{
    LinkedGraft graft = link(kernel_symbols());
    std::uint64_t call = graft.address("calls_the_kernel");
    while (at<std::uint8_t>(graft, call) != 0xe8)
        call++;
    EXPECT_EQ(call + 5 + static_cast<std::uint64_t>(std::int64_t{at<std::int32_t>(graft, call + 1)}), FakeKernel::kFunction);
}

TEST(GraftLinker, FixupsAreRelocatedAndNamed)
{
    LinkedGraft graft = link(kernel_symbols());
    ASSERT_EQ(graft.fixups.size(), 7u);
    EXPECT_EQ(graft.fixups[0].entry.address, FakeKernel::kPageDirectory + 508 * 8);
    EXPECT_EQ(graft.fixups[0].name, "level2_fixmap_pgt+4064");
    EXPECT_EQ(graft.fixups[2].entry.address, 0u); // absent weak symbol, in spite of the offset
    EXPECT_EQ(graft.fixups[4].entry.value, graft.address("calls_the_kernel"));
}

TEST(GraftLinker, AbsentSymbolIsNamed)
{
    Symbols symbols = kernel_symbols();
    symbols.erase("pv_ops");
    Failure failure = failure_of([&] { link(symbols); });
    EXPECT_EQ(failure.code(), ExitCode::KernelUnfit);
    EXPECT_TRUE(mentions(failure, "pv_ops"));
}

TEST(GraftLinker, TargetOutOfReachIsNamed)
{
    Symbols symbols = kernel_symbols();
    symbols["kernel_function"] = 0x1234567890;
    Failure failure = failure_of([&] { link(symbols); });
    EXPECT_EQ(failure.code(), ExitCode::NoGraft);
    EXPECT_TRUE(mentions(failure, "kernel_function"));
}

TEST(GraftObject, ReleaseAndLayoutsAreRead)
{
    GraftObject object = GraftObject::parse(graft_bytes("6.1.0-56-amd64"), "graft.o");
    EXPECT_EQ(object.release(), "6.1.0-56-amd64");
    ASSERT_EQ(object.layouts().size(), 2u);
    EXPECT_STREQ(object.layouts()[0].member, "cpuid");
}

TEST(GraftObject, OtherFilesAreRefused)
{
    EXPECT_EQ(failure_of([] { GraftObject::parse(Bytes(5000), "x"); }).code(), ExitCode::NoGraft);
    EXPECT_EQ(failure_of([] { GraftObject::parse(with_text(graft_bytes("r"), "colinux_graft=4", "colinux_graft=9"), "x"); }).code(), ExitCode::NoGraft);
    EXPECT_EQ(failure_of([] { GraftObject::read("/nonexistent/graft.o"); }).code(), ExitCode::NoGraft);
}

} // namespace
} // namespace colinux::testing
