// SPDX-License-Identifier: GPL-2.0
// A fake kernel and the test graft, placed in fake guest memory: everything that the first entry relies on.
#include "fake_kernel.hpp"
#include "page_walk.hpp"
#include "test_files.hpp"

#include "vmm/loader/boot.hpp"

#include <asm/bootparam.h>
#include <colinux/boot_info.h>
#include <colinux/passage.h>
#include <colinux/transport.h>
#include <gtest/gtest.h>

namespace colinux::testing {
namespace {

constexpr std::uint64_t M = 1 << 20, kRam = 0x1'4000'0000; // above 4 GiB: the ext_ fields matter

class Boot : public ::testing::Test {
protected:
    LoadedKernel load(const FakeKernel& fake = {})
    {
        if (memory_.ranges().empty()) {
            storage_.add(kRam, 16 * M);
            memory_ = storage_.view();
        }
        KernelImage kernel = KernelImage::from(parse_kernel_file(ByteView{fake.bzimage()}, "k"), "k");
        return load_kernel(kernel, GraftObject::parse(graft_, "graft.o"), initrd_, parameters_, memory_);
    }

    std::uint64_t kernel_word(const LoadedKernel& loaded, std::uint64_t virt)
    {
        return read_guest<std::uint64_t>(memory_, loaded.kernel_phys + (virt - FakeKernel::kText));
    }

    FakeMemory storage_;
    GuestMemory memory_;
    Bytes graft_ = graft_bytes("6.1.0-test");
    Bytes initrd_ = Bytes(5000, std::byte{0x42});
    BootParameters parameters_{.command_line = "console=hvc0", .vcpus = 2, .devices = 3, .tsc_khz = 2'000'000, .host_xcr0 = 7, .passage_virt = CO_PASSAGE_VIRT + 4096};
};

TEST_F(Boot, WindowIsMappedWithTheRightRights)
{
    LoadedKernel loaded = load();
    auto rights = [&](std::uint64_t virt) { return walk(memory_, loaded.entry.cr3, virt, 4).value(); };
    EXPECT_TRUE(rights(loaded.entry.rip).executable);
    EXPECT_FALSE(rights(loaded.entry.rip).writable);
    EXPECT_TRUE(rights(loaded.entry.rsp - 8).writable);
    EXPECT_FALSE(walk(memory_, loaded.entry.cr3, loaded.entry.rsp, 4)); // nothing behind the stack
    EXPECT_FALSE(walk(memory_, loaded.entry.cr3, CO_GRAFT_VIRT + CO_GRAFT_BYTES - 4096, 4)); // nor the page table itself
}

// Filled in by the driver; here as it would
void map_passage(GuestMemory& memory, const LoadedKernel& loaded, unsigned page, std::uint64_t entry)
{
    std::memcpy(memory.translate(loaded.passage.table_phys + page * 8, 8), &entry, 8);
}

TEST_F(Boot, PassageWindowIsTheDriversToFill)
{
    LoadedKernel loaded = load();
    EXPECT_FALSE(walk(memory_, loaded.entry.cr3, CO_PASSAGE_VIRT, 4));
    map_passage(memory_, loaded, 3, 0x1234'5061);
    EXPECT_EQ(walk(memory_, loaded.entry.cr3, CO_PASSAGE_VIRT + 3 * 4096, 4)->phys, 0x1234'5000u);
}

TEST_F(Boot, IdentityMapCoversKernelAndBootParams)
{
    LoadedKernel loaded = load();
    for (std::uint64_t phys : {std::uint64_t{loaded.entry.rdi}, std::uint64_t{loaded.entry.rsi}, loaded.kernel_phys + 4 * M - 1, loaded.graft_phys}) {
        auto found = walk(memory_, loaded.entry.cr3, phys, 4);
        ASSERT_TRUE(found);
        EXPECT_EQ(found->phys, phys);
        EXPECT_TRUE(found->executable && found->writable);
    }
}

TEST_F(Boot, FiveLevels)
{
    parameters_.five_levels = true;
    LoadedKernel loaded = load();
    map_passage(memory_, loaded, 0, 0x1234'5021);
    EXPECT_EQ(walk(memory_, loaded.entry.cr3, CO_PASSAGE_VIRT, 5)->phys, 0x1234'5000u);
    EXPECT_EQ(walk(memory_, loaded.entry.cr3, loaded.entry.rdi, 5)->phys, loaded.entry.rdi);
}

TEST_F(Boot, SegmentsLieWhereTheyBelongAndBssIsZero)
{
    LoadedKernel loaded = load();
    EXPECT_EQ(loaded.entry.rdi, loaded.kernel_phys);
    EXPECT_EQ(kernel_word(loaded, FakeKernel::kFunction) & 0xffffffff, 0xfa1e0ff3u);
    std::string start(13, ' ');
    std::memcpy(start.data(), memory_.translate(loaded.kernel_phys + 2 * M, 13), 13);
    EXPECT_EQ(start, "Linux version");
    const auto& data = loaded.segments.back();
    ASSERT_EQ(data.memory_bytes - data.file_bytes, 0x10000u);
    for (std::uint64_t offset = data.file_bytes; offset < data.memory_bytes; offset += 8)
        ASSERT_EQ(read_guest<std::uint64_t>(memory_, data.phys + offset), 0u) << offset;
}

TEST_F(Boot, FixupsAreApplied)
{
    LoadedKernel loaded = load();
    std::uint64_t table = loaded.graft_phys + CO_GRAFT_BYTES - 4096;
    EXPECT_EQ(kernel_word(loaded, FakeKernel::kPageDirectory + 508 * 8), table | 0x63);
    EXPECT_EQ(kernel_word(loaded, FakeKernel::kCr4Write) & 0xffffff, 0x001f0fu);
    EXPECT_EQ(kernel_word(loaded, FakeKernel::kFunction) >> 32 & 0xff, 0xe8u); // ftrace's call stays ...
    EXPECT_EQ(kernel_word(loaded, FakeKernel::kFunction + 9) & 0xff, 0xe9u);   // ... the jump comes behind it
    EXPECT_NE(kernel_word(loaded, FakeKernel::kPvOps), 0u);
    EXPECT_EQ(kernel_word(loaded, FakeKernel::kPvOps + 16) >> 16 & 0xffffffff, 0x8e000010u);
    EXPECT_EQ(kernel_word(loaded, FakeKernel::kPvOps + 24), 0xffffffffu);
    EXPECT_TRUE(loaded.multi_cpu_ok);
}

TEST_F(Boot, UnexpectedValueIsNamed)
{
    Failure failure = failure_of([&] { load(FakeKernel{.pv_ops_word = 1}); });
    EXPECT_EQ(failure.code(), ExitCode::KernelUnfit);
    EXPECT_TRUE(mentions(failure, "pv_ops"));
}

TEST_F(Boot, LockHookThatDoesNotFitAllowsOneCpuOnly)
{
    FakeKernel fake{.function_word = 0x1234};
    EXPECT_EQ(failure_of([&] { load(fake); }).code(), ExitCode::CpuCount);
    parameters_.vcpus = 1;
    EXPECT_FALSE(load(fake).multi_cpu_ok);
}

TEST_F(Boot, BootInfoIsFilled)
{
    LoadedKernel loaded = load();
    bool found = false;
    for (std::uint64_t at = loaded.graft_phys; at < loaded.graft_phys + CO_GRAFT_BYTES; at += 4096) {
        auto info = read_guest<co_boot_info>(memory_, at);
        if (info.magic != CO_BOOT_INFO_MAGIC)
            continue;
        found = true;
        EXPECT_EQ(info.vcpus, 2u);
        EXPECT_EQ(info.tsc_khz, 2'000'000u);
        EXPECT_EQ(info.host_xcr0, 7u);
        EXPECT_EQ(info.graft_phys, loaded.graft_phys);
        EXPECT_EQ(info.console_ring, loaded.console_ring_phys);
        EXPECT_EQ(info.transport, loaded.transport_phys);
        EXPECT_EQ(info.multi_cpu_ok, 1u);
        EXPECT_EQ(info.passages, parameters_.passage_virt);
    }
    EXPECT_TRUE(found);
}

TEST_F(Boot, SharedPagesLieInTheWindow)
{
    LoadedKernel loaded = load();
    auto ring = read_guest<co_console_ring>(memory_, loaded.console_ring_phys);
    EXPECT_EQ(ring.size, 65536u);
    EXPECT_EQ(ring.input_offset, sizeof(co_console_ring) + 65536);
    auto transport = read_guest<co_transport>(memory_, loaded.transport_phys);
    EXPECT_EQ(transport.magic, CO_TRANSPORT_MAGIC);
    EXPECT_EQ(transport.devices, 3u);
    EXPECT_EQ(read_guest<co_device>(memory_, loaded.transport_phys + 3 * 4096).device_id, 0u);
    EXPECT_GT(loaded.transport_phys, loaded.graft_phys);
    EXPECT_LT(loaded.transport_phys + 4 * 4096, loaded.graft_phys + CO_GRAFT_BYTES);
}

TEST_F(Boot, ZeroPage)
{
    LoadedKernel loaded = load();
    auto params = read_guest<boot_params>(memory_, loaded.entry.rsi);
    // The page is packed: a copy of each member, no reference
    EXPECT_EQ(std::uint32_t{params.hdr.header}, 0x53726448u);
    EXPECT_EQ(params.hdr.type_of_loader, 0xff);
    EXPECT_EQ(params.sentinel, 0);
    std::uint64_t line = params.hdr.cmd_line_ptr | std::uint64_t{params.ext_cmd_line_ptr} << 32;
    EXPECT_STREQ(reinterpret_cast<const char*>(memory_.translate(line, 100)), loaded.command_line.c_str());
    EXPECT_NE(loaded.command_line.find("lockdown=integrity console=hvc0"), std::string::npos);
    std::uint64_t initrd = params.hdr.ramdisk_image | std::uint64_t{params.ext_ramdisk_image} << 32;
    EXPECT_EQ(std::uint32_t{params.hdr.ramdisk_size}, 5000u);
    EXPECT_EQ(read_guest<std::uint8_t>(memory_, initrd + 4999), 0x42);
    ASSERT_EQ(params.e820_entries, 2);
    EXPECT_EQ(std::uint64_t{params.e820_table[0].addr}, 0u);
    EXPECT_EQ(std::uint64_t{params.e820_table[0].size}, M);
    EXPECT_EQ(std::uint32_t{params.e820_table[0].type}, 2u);
    EXPECT_EQ(std::uint64_t{params.e820_table[1].addr}, kRam);
    EXPECT_EQ(std::uint32_t{params.e820_table[1].type}, 1u);
}

TEST_F(Boot, ManyRangesGoIntoTheExtension)
{
    storage_.add(kRam, 16 * M);
    for (std::uint64_t i = 0; i < 200; i++)
        storage_.add(kRam * 2 + i * 4 * M, 4096);
    memory_ = storage_.view();
    auto params = read_guest<boot_params>(memory_, load().entry.rsi);
    EXPECT_EQ(params.e820_entries, 128);
    auto header = read_guest<setup_data>(memory_, params.hdr.setup_data);
    EXPECT_EQ(header.type, 1u); // SETUP_E820_EXT
    ASSERT_EQ(header.len, (202 - 128) * sizeof(boot_e820_entry));
    auto last = read_guest<boot_e820_entry>(memory_, params.hdr.setup_data + sizeof(setup_data) + header.len - sizeof(boot_e820_entry));
    EXPECT_EQ(last.addr, kRam * 2 + 199 * 4 * M);
}

TEST_F(Boot, EarlyGates)
{
    LoadedKernel loaded = load();
    EXPECT_EQ(loaded.entry.idt_limit, 319u);
    std::uint64_t idt = walk(memory_, loaded.entry.cr3, loaded.entry.idt_base, 4)->phys;
    EXPECT_EQ(read_guest<std::uint64_t>(memory_, idt + 32) >> 40 & 0xff, 0x8eu);
    EXPECT_EQ(read_guest<std::uint64_t>(memory_, idt + 18 * 16 + 8), 0xffffffffu);
    EXPECT_EQ(read_guest<std::uint64_t>(memory_, idt + 4 * 16), 0u);
}

TEST_F(Boot, CommandLineTooLong)
{
    parameters_.command_line = std::string(2000, 'x');
    EXPECT_EQ(failure_of([&] { load(); }).code(), ExitCode::Usage);
}

TEST_F(Boot, UserMayChooseAnotherLockdown)
{
    parameters_.command_line = "lockdown=none";
    EXPECT_EQ(load().command_line.find("lockdown=integrity"), std::string::npos);
}

TEST(Initrd, AnyFileIsNoInitrd)
{
    EXPECT_EQ(failure_of([] { read_initrd("/nonexistent/initrd"); }).code(), ExitCode::InitrdUnfit);
    EXPECT_EQ(failure_of([] { read_initrd("/etc/passwd"); }).code(), ExitCode::InitrdUnfit);
}

} // namespace
} // namespace colinux::testing
