// SPDX-License-Identifier: GPL-2.0
// The distribution's own kernels, from $COLINUX_TEST_KERNELS (tools/test-kernels fills it): every vmlinuz-* there
// is opened and loaded. Where a System.map-* of the debug package lies beside it, kallsyms must agree
// with it in every symbol.
#include "page_walk.hpp"
#include "test_files.hpp"

#include "vmm/loader/boot.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace colinux::testing {
namespace {

std::vector<std::string> kernels()
{
    std::vector<std::string> paths;
    const char* directory = std::getenv("COLINUX_TEST_KERNELS");
    if (directory)
        for (const auto& entry : std::filesystem::directory_iterator{directory})
            if (entry.path().filename().string().starts_with("vmlinuz-"))
                paths.push_back(entry.path());
    std::ranges::sort(paths);
    return paths;
}

#define NEEDS_KERNELS()                                                                      \
    if (kernels().empty())                                                                   \
    GTEST_SKIP() << "COLINUX_TEST_KERNELS names no directory with vmlinuz-* files; run tools/test-kernels"

TEST(RealKernel, OpensAndKnowsItsRelease)
{
    NEEDS_KERNELS();
    for (const std::string& path : kernels()) {
        KernelImage kernel = KernelImage::open(path, {});
        EXPECT_TRUE(path.ends_with("vmlinuz-" + kernel.release())) << path << " says " << kernel.release();
        EXPECT_GT(kernel.symbols().symbols().size(), 50'000u);
        EXPECT_TRUE(kernel.resolve("level2_fixmap_pgt"));
        EXPECT_EQ(kernel.types().members("list_head", "prev").at(0).offset, 8u);
    }
}

TEST(RealKernel, SymbolsAreDecodedInAFractionOfASecond)
{
    NEEDS_KERNELS();
    for (const std::string& path : kernels()) {
        KernelFile file = read_kernel_file(path, {});
        ElfImage elf{file.elf, path};
        auto start = std::chrono::steady_clock::now();
        EXPECT_TRUE(Kallsyms::decode(elf));
        EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds{5}) << "sanitized and on a busy machine";
    }
}

// The map has more: absolute symbols, and up to 6.3 kallsyms' own tables. Everything else must be equal.
TEST(RealKernel, SymbolsEqualSystemMap)
{
    NEEDS_KERNELS();
    int compared = 0;
    for (const std::string& path : kernels()) {
        KernelImage kernel = KernelImage::open(path, {});
        std::ifstream map{std::filesystem::path{path}.parent_path() / ("System.map-" + kernel.release())};
        std::vector<std::pair<std::uint64_t, std::string>> expected, found;
        std::string address, type, name;
        while (map >> address >> type >> name)
            if (kernel.symbols().address(name) || (type != "A" && !(type == "D" && name.starts_with("kallsyms_"))))
                expected.emplace_back(std::stoull(address, nullptr, 16), name);
        if (expected.size() < 1000)
            continue; // absent, or the package's stub of one line
        for (const Kallsyms::Symbol& symbol : kernel.symbols().symbols())
            found.emplace_back(symbol.address, symbol.name);
        std::ranges::sort(expected);
        std::ranges::sort(found);
        EXPECT_TRUE(found == expected) << path;
        compared++;
    }
    if (compared == 0)
        GTEST_SKIP() << "no System.map of a debug package beside the kernels";
}

TEST(RealKernel, LoadsWithAGraft)
{
    NEEDS_KERNELS();
    for (const std::string& path : kernels()) {
        KernelImage kernel = KernelImage::open(path, {});
        FakeMemory storage;
        storage.add(0x8000'0000, contiguous_bytes_needed(kernel, 1 << 20));
        GuestMemory memory = storage.view();
        GraftObject graft = GraftObject::parse(graft_bytes(kernel.release(), TEST_GRAFT_REAL), "graft.o");
        LoadedKernel loaded = load_kernel(kernel, graft, Bytes(1 << 20), {.command_line = "", .vcpus = 2, .devices = 40}, memory);
        EXPECT_TRUE(loaded.multi_cpu_ok);

        auto in_kernel = [&](std::uint64_t virt) { return loaded.kernel_phys + (*kernel.elf().virt_to_phys(virt, 8) - kernel.elf().phys_start()); };
        std::uint64_t slot = *kernel.resolve("level2_fixmap_pgt") + 508 * 8;
        EXPECT_EQ(read_guest<std::uint64_t>(memory, in_kernel(slot)), (loaded.graft_phys + (2 << 20) - 4096) | 0x63);
        EXPECT_EQ(read_guest<std::uint64_t>(memory, in_kernel(slot + 8)), 0u) << "the slot behind it is free too";
        auto code = walk(memory, loaded.entry.cr3, loaded.passage.code_virt, 4);
        ASSERT_TRUE(code);
        EXPECT_EQ(code->phys, loaded.passage.code_phys);
        EXPECT_TRUE(walk(memory, loaded.entry.cr3, loaded.entry.rdi, 4)->executable);
        for (int i = 0; i < 13; i++) // "Linux version" at its place
            EXPECT_EQ(read_guest<char>(memory, in_kernel(*kernel.resolve("linux_banner")) + static_cast<std::uint64_t>(i)), "Linux version"[i]);
    }
}

TEST(RealKernel, TruncatedAndDamagedCopiesAreRefused)
{
    NEEDS_KERNELS();
    Bytes bytes = read_whole_file(kernels().front(), "kernel", ExitCode::KernelMissing);
    Bytes truncated{bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(bytes.size() / 3)};
    EXPECT_TRUE(mentions(failure_of([&] { parse_kernel_file(ByteView{truncated}, "k"); }), "truncated"));
    bytes[bytes.size() / 2] ^= std::byte{1};
    EXPECT_TRUE(mentions(failure_of([&] { parse_kernel_file(ByteView{bytes}, "k"); }), "damaged"));
}

} // namespace
} // namespace colinux::testing
