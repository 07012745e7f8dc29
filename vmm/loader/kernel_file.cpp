// SPDX-License-Identifier: GPL-2.0
// Reading of kernel files. Offsets in a bzImage are those of Documentation/arch/x86/boot.rst.
#include "vmm/loader/kernel_file.hpp"

#include "vmm/loader/decompress.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <elf.h>

namespace colinux {
namespace {

constexpr std::uint64_t kSector = 512;
constexpr std::uint64_t kSetupHeader = 0x1f1;
constexpr std::uint64_t kLargestKernel = 512u << 20; // unpacked; a distribution's is 50-70 MiB

[[noreturn]] void fail(ExitCode code, const std::string& path, const std::string& why)
{
    throw Failure{code, "kernel '" + path + "': " + why};
}

[[noreturn]] void other_architecture(const std::string& path, const std::string& architecture)
{
    fail(ExitCode::KernelDamaged, path, "it is for " + architecture + "; give a kernel for x86-64 (amd64)");
}

std::string machine_name(unsigned machine)
{
    switch (machine) {
    case EM_386: return "32-bit x86";
    case EM_AARCH64: return "64-bit ARM";
    case EM_ARM: return "32-bit ARM";
    case EM_RISCV: return "RISC-V";
    case EM_PPC64: return "64-bit PowerPC";
    case EM_S390: return "s390";
    case EM_MIPS: return "MIPS";
    default: return "another architecture (ELF machine " + std::to_string(machine) + ")";
    }
}

bool starts_with(ByteView bytes, std::uint64_t offset, std::string_view magic)
{
    return bytes.holds(offset, magic.size()) && std::memcmp(bytes.data() + offset, magic.data(), magic.size()) == 0;
}

// Only what tells a wrong file from a right one; ElfImage checks the rest.
void check_elf(ByteView bytes, const std::string& path)
{
    if (bytes.size() < sizeof(Elf64_Ehdr))
        fail(ExitCode::KernelDamaged, path, "the ELF file is truncated; copy or install it again");
    auto header = bytes.at<Elf64_Ehdr>(0);
    if (header.e_machine != EM_X86_64)
        other_architecture(path, machine_name(header.e_machine));
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB)
        other_architecture(path, "32-bit x86");
    if (header.e_type != ET_EXEC)
        fail(ExitCode::KernelDamaged, path, "an ELF file, but no kernel image; give a vmlinuz or vmlinux");
}

const std::string reinstall = "; copy it again or reinstall its package";

std::vector<std::byte> unpack(ByteView payload, std::uint64_t unpacked_bytes, const std::string& path)
{
    std::vector<std::byte> elf;
    try {
        elf = decompress(payload, unpacked_bytes);
    } catch (const std::runtime_error& error) {
        fail(ExitCode::KernelDamaged, path, "damaged: " + std::string{error.what()} + reinstall);
    }
    if (!starts_with(ByteView{elf}, 0, ELFMAG))
        fail(ExitCode::KernelDamaged, path, "damaged: there is no ELF image in its payload" + reinstall);
    return elf;
}

KernelFile parse_bzimage(ByteView bytes, const std::string& path, const KernelCache& cache)
{
    auto version = bytes.at<std::uint16_t>(0x206);
    if (version < 0x20c || !(bytes.at<std::uint16_t>(0x236) & 1)) // XLF_KERNEL_64
        other_architecture(path, "32-bit x86, or older than Linux 3.8");

    std::uint64_t setup_bytes = (std::uint64_t{bytes.at<std::uint8_t>(kSetupHeader)} + 1) * kSector;
    std::uint64_t promised = setup_bytes + std::uint64_t{bytes.at<std::uint32_t>(0x1f4)} * 16;
    auto payload_offset = bytes.at<std::uint32_t>(0x248);
    auto payload_bytes = bytes.at<std::uint32_t>(0x24c);
    if (bytes.size() < promised)
        fail(ExitCode::KernelDamaged, path,
             "truncated: " + std::to_string(bytes.size()) + " of at least " + std::to_string(promised) + " bytes" + reinstall);
    if (payload_bytes < 8 || !bytes.holds(setup_bytes + payload_offset, payload_bytes))
        fail(ExitCode::KernelDamaged, path, "damaged: its payload lies outside the file" + reinstall);

    ByteView payload = bytes.sub(setup_bytes + payload_offset, payload_bytes);
    if (compression_format(payload) == "lzo")
        fail(ExitCode::KernelUnfit, path, "it is compressed with lzo; rebuild it with xz, zstd, lz4 or gzip");
    // gzip carries the unpacked size as its own last word, the others get one appended: same place.
    auto unpacked_bytes = payload.at<std::uint32_t>(payload_bytes - 4);
    if (unpacked_bytes > kLargestKernel)
        fail(ExitCode::KernelDamaged, path, "damaged: it promises an unpacked size of " + std::to_string(unpacked_bytes) + " bytes" + reinstall);

    KernelCache::Key key = KernelCache::key_of(bytes);
    KernelFile file;
    auto cached = cache.find(key);
    if (!cached) {
        file = KernelFile::from_elf(unpack(payload, unpacked_bytes, path));
        cache.store(key, file.elf);
        cached = cache.find(key);
    }
    if (cached) // which is the host's page cache, not memory of ours
        file = {cached->elf, cached->owner, {}, cached->owner};
    check_elf(file.elf, path);

    // The header's last byte is found by the jump in its second field (boot.rst, "jump").
    std::uint64_t header_end = 0x202 + std::uint64_t{bytes.at<std::uint8_t>(0x201)};
    ByteView header = bytes.sub(kSetupHeader, header_end - kSetupHeader);
    file.setup_header.assign(header.span().begin(), header.span().end());
    return file;
}

} // namespace

KernelFile KernelFile::from_elf(std::vector<std::byte> elf)
{
    auto owner = std::make_shared<const std::vector<std::byte>>(std::move(elf));
    return {ByteView{*owner}, owner, {}};
}

KernelFile parse_kernel_file(ByteView bytes, const std::string& path, const KernelCache& cache)
{
    if (bytes.size() == 0)
        fail(ExitCode::KernelDamaged, path, "the file is empty; reinstall its package");
    if (starts_with(bytes, 0x202, "HdrS") && bytes.holds(0, 0x268))
        return parse_bzimage(bytes, path, cache);
    if (starts_with(bytes, 0, ELFMAG)) {
        check_elf(bytes, path);
        return KernelFile::from_elf({bytes.span().begin(), bytes.span().end()});
    }
    if (starts_with(bytes, 0x38, "ARM\x64"))
        other_architecture(path, "64-bit ARM");
    if (starts_with(bytes, 0x38, "RSC\x05"))
        other_architecture(path, "RISC-V");
    if (starts_with(bytes, 0x24, "\x18\x28\x6f\x01"))
        other_architecture(path, "32-bit ARM");
    if (!compression_format(bytes).empty())
        fail(ExitCode::KernelDamaged, path,
             "a bare " + std::string{compression_format(bytes)} + " file, as other architectures use; give an x86-64 vmlinuz");
    if (starts_with(bytes, 0x1fe, "\x55\xaa") && bytes.size() < 0x268)
        fail(ExitCode::KernelDamaged, path, "truncated: only " + std::to_string(bytes.size()) + " bytes; copy it again");
    fail(ExitCode::KernelDamaged, path, "not a Linux kernel; give a vmlinuz (bzImage) or an ELF vmlinux");
}

UniqueFd open_to_read(const std::string& path, const std::string& what, ExitCode missing)
{
    UniqueFd fd{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (!fd)
        throw Failure{missing, what + " '" + path + "': " + std::strerror(errno) + "; check the path"};
    return fd;
}

std::vector<std::byte> read_whole_file(int fd, const std::string& path, const std::string& what, ExitCode missing)
{
    struct stat status{};
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        throw Failure{missing, what + " '" + path + "': not a regular file; give the file itself"};
    std::vector<std::byte> bytes(static_cast<std::size_t>(status.st_size));
    std::size_t done = 0;
    ssize_t count = 0;
    while (done < bytes.size() && (count = pread(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done))) > 0)
        done += static_cast<std::size_t>(count);
    if (done != bytes.size())
        throw Failure{missing, what + " '" + path + "': cannot be read: " + (count < 0 ? std::strerror(errno) : "it has become shorter")};
    return bytes;
}

std::vector<std::byte> read_whole_file(const std::string& path, const std::string& what, ExitCode missing)
{
    return read_whole_file(open_to_read(path, what, missing).get(), path, what, missing);
}

KernelFile read_kernel_file(const std::string& path, const KernelCache& cache)
{
    std::vector<std::byte> bytes = read_whole_file(path, "kernel", ExitCode::KernelMissing);
    return parse_kernel_file(ByteView{bytes}, path, cache);
}

} // namespace colinux
