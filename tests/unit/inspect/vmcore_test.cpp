// SPDX-License-Identifier: GPL-2.0
// The core file, read back by its headers.
#include "standing_guest.hpp"

#include "tests/fakes/temporary_file.hpp"
#include "vmm/inspect/vmcore.hpp"

#include <elf.h>
#include <gtest/gtest.h>
#include <sys/procfs.h>
#include <sys/stat.h>

namespace colinux::testing {
namespace {

template <typename T>
T object_at(const TemporaryFile& file, std::uint64_t offset)
{
    T object{};
    std::string bytes = file.read(static_cast<off_t>(offset), sizeof object);
    std::memcpy(&object, bytes.data(), bytes.size());
    return object;
}

class Vmcore : public ::testing::Test {
protected:
    Vmcore()
    {
        guest_.leave(StandingGuest::kText + 0x1010, StandingGuest::kStack + 0x100, StandingGuest::kStack + 0x200);
        guest_.memory.translate(StandingGuest::kRam + 0x7f'fff0, 1)[0] = std::byte{0x42};
    }
    bool write(const DumpProgress& progress = [](std::uint64_t, std::uint64_t) { return true; })
    {
        GuestKernel kernel{guest_.loaded, guest_.memory};
        return write_vmcore(file_.fd(), {kernel, guest_.memory, guest_.passages}, progress);
    }

    StandingGuest guest_;
    TemporaryFile file_{0};
};

TEST_F(Vmcore, HasEveryRunOfMemoryWhereItsHeaderSays)
{
    ASSERT_TRUE(write());
    auto header = object_at<Elf64_Ehdr>(file_, 0);
    EXPECT_EQ(header.e_type, ET_CORE);
    ASSERT_EQ(header.e_phnum, 2);
    auto load = object_at<Elf64_Phdr>(file_, header.e_phoff + sizeof(Elf64_Phdr));
    EXPECT_EQ(load.p_type, static_cast<unsigned>(PT_LOAD));
    EXPECT_EQ(load.p_paddr, StandingGuest::kRam);
    EXPECT_EQ(load.p_vaddr, 0xffff'8880'0000'0000 + StandingGuest::kRam);
    EXPECT_EQ(load.p_filesz, StandingGuest::kRamBytes);
    EXPECT_EQ(file_.read(static_cast<off_t>(load.p_offset + 0x7f'fff0), 1), "\x42");
    struct stat status;
    fstat(file_.fd(), &status);
    EXPECT_EQ(static_cast<std::uint64_t>(status.st_size), load.p_offset + load.p_filesz);
    EXPECT_LT(status.st_blocks * 512, 3 << 20) << "zeros are holes";
}

TEST_F(Vmcore, NotesHaveTheRegistersOfACpuThatRanAndTheKernelsPlace)
{
    ASSERT_TRUE(write());
    auto notes = object_at<Elf64_Phdr>(file_, object_at<Elf64_Ehdr>(file_, 0).e_phoff);
    EXPECT_EQ(notes.p_type, static_cast<unsigned>(PT_NOTE));
    auto first = object_at<Elf64_Nhdr>(file_, notes.p_offset);
    EXPECT_EQ(first.n_type, static_cast<unsigned>(NT_PRSTATUS));
    EXPECT_EQ(file_.read(static_cast<off_t>(notes.p_offset + sizeof first), 4), "CORE");
    auto status = object_at<elf_prstatus>(file_, notes.p_offset + sizeof first + 8);
    EXPECT_EQ(status.pr_reg[16], StandingGuest::kText + 0x1010); // RIP
    EXPECT_EQ(status.pr_reg[19], StandingGuest::kStack + 0x100); // RSP
    std::string second = file_.read(static_cast<off_t>(notes.p_offset + sizeof first + 8 + sizeof status), 200);
    EXPECT_EQ(second.substr(sizeof first, 10), "VMCOREINFO"); // vCPU 1 never ran: no note
    std::int64_t shift = static_cast<std::int64_t>(StandingGuest::kRam) - 0x100'0000;
    EXPECT_NE(second.find("NUMBER(phys_base)=" + std::to_string(shift)), std::string::npos) << second;
}

TEST_F(Vmcore, CanBeStopped)
{
    EXPECT_FALSE(write([](std::uint64_t, std::uint64_t) { return false; }));
}

TEST_F(Vmcore, FullDiskIsAnError)
{
    GuestKernel kernel{guest_.loaded, guest_.memory};
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    EXPECT_THROW(write_vmcore(full, {kernel, guest_.memory, guest_.passages}, [](auto, auto) { return true; }),
                 std::system_error);
    close(full);
}

} // namespace
} // namespace colinux::testing
