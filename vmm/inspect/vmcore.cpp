// SPDX-License-Identifier: GPL-2.0
#include "vmm/inspect/vmcore.hpp"

#include "base/address.hpp"
#include "vmm/inspect/task.hpp"
#include "vmm/inspect/unwinder.hpp"

#include <elf.h>
#include <sys/procfs.h>
#include <sys/user.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

namespace colinux {

namespace {

constexpr std::uint64_t kPiece = 64 << 10;  // looked at, written or left out as a whole
constexpr std::uint64_t kStep = 16 << 20;   // between two progress reports
constexpr std::uint64_t kMostVmcoreinfo = 64 << 10;
constexpr std::uint64_t kDirectMap4 = 0xffff'8880'0000'0000; // Documentation/x86/x86_64/mm.rst
constexpr std::uint16_t kKernelCodeSelector = 0x10;

void write_at(int fd, std::uint64_t offset, const void* from, std::uint64_t bytes)
{
    for (auto* data = static_cast<const char*>(from); bytes > 0;) {
        ssize_t count = pwrite(fd, data, bytes, static_cast<off_t>(offset));
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            throw std::system_error{count < 0 ? errno : ENOSPC, std::generic_category()};
        data += count;
        offset += static_cast<std::uint64_t>(count);
        bytes -= static_cast<std::uint64_t>(count);
    }
}

void add_note(std::string& notes, std::string_view owner, std::uint32_t type, std::string_view content)
{
    Elf64_Nhdr header{static_cast<Elf64_Word>(owner.size() + 1), static_cast<Elf64_Word>(content.size()), type};
    notes.append(reinterpret_cast<const char*>(&header), sizeof header);
    for (std::string_view part : {owner, content}) {
        notes.append(part);
        notes.append(align_up(part.size() + (part.data() == owner.data()), 4) - part.size(), '\0');
    }
}

// Debuggers know the kernel, not the graft: the state at the innermost frame of the kernel's own.
user_regs_struct registers_for_debugger(const GuestKernel& kernel, const GuestPages& pages, const SavedState& state)
{
    user_regs_struct registers{};
    registers.rip = state.rip;
    registers.rsp = state.rsp;
    registers.rbp = state.rbp;
    for (const StackFrame& frame : unwind(kernel, pages, state)) {
        if (kernel.in_graft(frame.ip))
            continue;
        registers.rip = frame.ip;
        registers.rsp = frame.sp;
        registers.rbp = frame.bp;
        break;
    }
    registers.rbx = state.rbx;
    registers.r12 = state.r12;
    registers.r13 = state.r13;
    registers.r14 = state.r14;
    registers.r15 = state.r15;
    registers.eflags = state.rflags;
    registers.cs = kKernelCodeSelector;
    registers.ss = state.ss;
    registers.fs_base = state.fs_base;
    registers.gs_base = state.gs_base;
    registers.ds = state.ds;
    registers.es = state.es;
    registers.fs = state.fs;
    registers.gs = state.gs;
    return registers;
}

void add_cpu(std::string& notes, const VmcoreSource& source, const SavedState& state)
{
    GuestPages pages = state.pages(source.memory);
    elf_prstatus status{};
    std::optional<RunningTask> task = running_task(source.kernel, pages, state.gs_base);
    status.pr_pid = task ? task->pid : 0;
    user_regs_struct registers = registers_for_debugger(source.kernel, pages, state);
    static_assert(sizeof registers == sizeof status.pr_reg);
    std::memcpy(&status.pr_reg, &registers, sizeof registers);
    add_note(notes, "CORE", NT_PRSTATUS, {reinterpret_cast<const char*>(&status), sizeof status});
}

// The kernel's own description of itself for debuggers. Early in its boot it has none yet: then the least that is needed.
std::string vmcoreinfo(const GuestKernel& kernel, bool five_levels)
{
    auto pages = kernel.pages(five_levels);
    auto text_virt = kernel.variable<std::uint64_t>("vmcoreinfo_data");
    auto bytes = kernel.variable<std::uint64_t>("vmcoreinfo_size");
    if (pages && text_virt && *text_virt && bytes && *bytes > 0 && *bytes <= kMostVmcoreinfo) {
        std::string text(*bytes, '\0');
        if (pages->read(*text_virt, text.data(), text.size()))
            return text;
    }
    std::string text = "PAGESIZE=4096\nKERNELOFFSET=0\nNUMBER(phys_base)=" +
                       std::to_string(static_cast<std::int64_t>(kernel.physical_shift())) + "\n";
    return text;
}

std::string make_notes(const VmcoreSource& source, bool& five_levels)
{
    std::string notes;
    for (const co_passage& passage : source.passages) {
        if (auto state = read_saved_state(source.memory, passage)) {
            five_levels = state->five_levels();
            add_cpu(notes, source, *state);
        }
    }
    add_note(notes, "VMCOREINFO", 0, vmcoreinfo(source.kernel, five_levels));
    return notes;
}

std::string make_headers(const VmcoreSource& source)
{
    bool five_levels = false;
    std::string notes = make_notes(source, five_levels);
    const auto& runs = source.memory.ranges();
    std::vector<Elf64_Phdr> programs(1 + runs.size());
    std::uint64_t notes_at = sizeof(Elf64_Ehdr) + programs.size() * sizeof(Elf64_Phdr);
    std::uint64_t at = align_up(notes_at + notes.size(), kPageSize);
    // In the order of the fields: type, flags, offset, virtual, physical, in the file, in memory, alignment
    programs[0] = {PT_NOTE, 0, notes_at, 0, 0, notes.size(), notes.size(), 0};
    std::uint64_t direct_map = source.kernel.variable<std::uint64_t>("page_offset_base").value_or(kDirectMap4);
    for (std::size_t i = 0; i < runs.size(); i++) {
        programs[i + 1] = {PT_LOAD, PF_R | PF_W | PF_X, at, direct_map + runs[i].phys, runs[i].phys, runs[i].bytes, runs[i].bytes, 0};
        at += runs[i].bytes;
    }
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = ET_CORE;
    header.e_machine = EM_X86_64;
    header.e_version = EV_CURRENT;
    header.e_phoff = header.e_ehsize = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = static_cast<Elf64_Half>(programs.size());
    std::string headers{reinterpret_cast<const char*>(&header), sizeof header};
    headers.append(reinterpret_cast<const char*>(programs.data()), programs.size() * sizeof(Elf64_Phdr));
    headers += notes;
    headers.resize(align_up(headers.size(), kPageSize));
    return headers;
}

bool is_zero(const std::byte* from, std::uint64_t bytes)
{
    return from[0] == std::byte{0} && std::memcmp(from, from + 1, bytes - 1) == 0;
}

} // namespace

bool write_vmcore(int fd, const VmcoreSource& source, const DumpProgress& progress)
{
    std::string headers = make_headers(source);
    write_at(fd, 0, headers.data(), headers.size());
    std::uint64_t total = source.memory.total_bytes(), done = 0, told = 0;
    for (const GuestMemory::Range& run : source.memory.ranges()) {
        for (std::uint64_t at = 0; at < run.bytes; at += kPiece) {
            std::uint64_t bytes = std::min(kPiece, run.bytes - at);
            if (!is_zero(run.host + at, bytes))
                write_at(fd, headers.size() + done, run.host + at, bytes);
            done += bytes;
            if (done - told >= kStep || done == total) {
                if (!progress(done, total))
                    return false;
                told = done;
            }
        }
    }
    if (ftruncate(fd, static_cast<off_t>(headers.size() + total)) != 0)
        throw std::system_error{errno, std::generic_category()};
    return true;
}

} // namespace colinux
