// SPDX-License-Identifier: GPL-2.0
// The distribution's own kernels, from $COLINUX_TEST_KERNELS (tools/test-kernels fills it): every vmlinuz-* there
// is opened and loaded. kallsyms must agree with the image's table of exported symbols, which the kernel's build makes
// in another way, and where a System.map-* of the debug package lies beside it, with that in every symbol.
//
// ./test and CI set the variable. A directory without kernels is then a failure: a download that did not come must not
// turn these tests off. They are skipped only where nobody speaks of kernels.
#include "page_walk.hpp"
#include "test_files.hpp"

#include "vmm/loader/boot.hpp"

#include <gtest/gtest.h>

#include <elf.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace colinux::testing {
namespace {

// Those in `directory`; "" or one that is not there has none.
std::vector<std::string> kernels_in(const char* directory)
{
    std::vector<std::string> paths;
    std::error_code absent;
    for (const auto& entry : std::filesystem::directory_iterator{directory, absent})
        if (entry.path().filename().string().starts_with("vmlinuz-") && exists(entry.path()))
            paths.push_back(entry.path());
    std::ranges::sort(paths);
    return paths;
}

class RealKernel : public ::testing::Test {
protected:
    void SetUp() override
    {
        const char* directory = std::getenv("COLINUX_TEST_KERNELS");
        if (!directory)
            GTEST_SKIP() << "COLINUX_TEST_KERNELS is not set: COLINUX_TEST_KERNELS=$(tools/test-kernels) ctest ...";
        kernels_ = kernels_in(directory);
        ASSERT_FALSE(kernels_.empty()) << "no vmlinuz-* in COLINUX_TEST_KERNELS='" << directory << "': see what tools/test-kernels says";
    }

    std::vector<std::string> kernels_;
};

TEST(RealKernels, DirectoryWithoutAnyHasNone)
{
    EXPECT_TRUE(kernels_in("").empty());
    EXPECT_TRUE(kernels_in("/no such directory").empty());
}

// The image's section `name`; of no bytes when it has none.
Elf64_Shdr section(ByteView elf, std::string_view name)
{
    auto header = elf.at<Elf64_Ehdr>(0);
    auto section_at = [&](std::uint64_t index) { return elf.at<Elf64_Shdr>(header.e_shoff + index * sizeof(Elf64_Shdr)); };
    Elf64_Shdr names = section_at(header.e_shstrndx);
    for (std::uint64_t i = 0; i < header.e_shnum; i++)
        if (elf.text(names.sh_offset + section_at(i).sh_name) == name)
            return section_at(i);
    return {};
}

TEST_F(RealKernel, OpensAndKnowsItsRelease)
{
    for (const std::string& path : kernels_) {
        KernelImage kernel = KernelImage::open(path, {});
        EXPECT_TRUE(path.ends_with("vmlinuz-" + kernel.release())) << path << " says " << kernel.release();
        EXPECT_GT(kernel.symbols().symbols().size(), 50'000u);
        EXPECT_TRUE(kernel.resolve("level2_fixmap_pgt"));
        EXPECT_EQ(kernel.types().members("list_head", "prev").at(0).offset, 8u);
    }
}

// struct kernel_symbol with CONFIG_HAVE_ARCH_PREL32_RELOCATIONS: each field counts from its own address.
struct ExportedSymbol {
    std::int32_t value, name, name_space;
};

TEST_F(RealKernel, SymbolsAgreeWithWhatTheImageExports)
{
    for (const std::string& path : kernels_) {
        KernelFile file = read_kernel_file(path, {});
        ElfImage elf{file.elf, path};
        std::optional<Kallsyms> symbols = Kallsyms::decode(elf);
        ASSERT_TRUE(symbols) << path;
        std::uint64_t exported = 0;
        std::vector<std::string> wrong;
        for (const char* table : {"__ksymtab", "__ksymtab_gpl"}) {
            Elf64_Shdr place = section(file.elf, table);
            for (std::uint64_t at = place.sh_addr; at < place.sh_addr + place.sh_size; at += sizeof(ExportedSymbol), exported++) {
                auto symbol = elf.from(at).at<ExportedSymbol>(0);
                std::uint64_t address = at + static_cast<std::uint64_t>(symbol.value);
                std::uint64_t name_at = at + offsetof(ExportedSymbol, name) + static_cast<std::uint64_t>(symbol.name);
                std::string_view name = elf.from(name_at).text(0);
                if (std::ranges::count(symbols->named(name), address, &Kallsyms::Symbol::address) == 0)
                    wrong.emplace_back(name);
            }
        }
        EXPECT_GT(exported, 5000u) << path;
        EXPECT_EQ(wrong, std::vector<std::string>{}) << path;
    }
}

// The map has more: absolute symbols, and up to 6.3 kallsyms' own tables. Everything else must be equal.
TEST_F(RealKernel, SymbolsEqualSystemMap)
{
    int compared = 0;
    for (const std::string& path : kernels_) {
        std::string release = path.substr(path.rfind("/vmlinuz-") + 9);
        std::ifstream map{std::filesystem::path{path}.parent_path() / ("System.map-" + release)};
        if (!map)
            continue;
        KernelImage kernel = KernelImage::open(path, {});
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

TEST_F(RealKernel, LoadsWithAGraft)
{
    for (const std::string& path : kernels_) {
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
        EXPECT_EQ(read_guest<std::uint64_t>(memory, in_kernel(slot + 8)), loaded.passage.table_phys | 0x63);
        EXPECT_EQ(read_guest<std::uint64_t>(memory, in_kernel(slot + 16)), 0u) << "the slot behind it is free too";
        EXPECT_TRUE(walk(memory, loaded.entry.cr3, loaded.entry.rdi, 4)->executable);
        for (int i = 0; i < 13; i++) // "Linux version" at its place
            EXPECT_EQ(read_guest<char>(memory, in_kernel(*kernel.resolve("linux_banner")) + static_cast<std::uint64_t>(i)), "Linux version"[i]);
    }
}

TEST_F(RealKernel, TruncatedAndDamagedCopiesAreRefused)
{
    Bytes bytes = read_whole_file(kernels_.front(), "kernel", ExitCode::KernelMissing);
    Bytes truncated{bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(bytes.size() / 3)};
    EXPECT_TRUE(mentions(failure_of([&] { parse_kernel_file(ByteView{truncated}, "k"); }), "truncated"));
    bytes[bytes.size() / 2] ^= std::byte{1};
    EXPECT_TRUE(mentions(failure_of([&] { parse_kernel_file(ByteView{bytes}, "k"); }), "damaged"));
}

} // namespace
} // namespace colinux::testing
