// SPDX-License-Identifier: GPL-2.0
#include "fake_kernel.hpp"

#include <elf.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace colinux::testing {
namespace {

class Bytes {
public:
    template <typename T>
    void add(T value)
    {
        const auto* first = reinterpret_cast<const std::byte*>(&value);
        bytes_.insert(bytes_.end(), first, first + sizeof(T));
    }
    void add(const std::vector<std::byte>& other) { bytes_.insert(bytes_.end(), other.begin(), other.end()); }
    void text(const std::string& text)
    {
        for (char c : text)
            add(c);
        add('\0');
    }
    void align(std::size_t alignment) { bytes_.resize((bytes_.size() + alignment - 1) / alignment * alignment); }
    void grow_to(std::size_t size) { bytes_.resize(std::max(size, bytes_.size())); }
    std::size_t size() const { return bytes_.size(); }
    template <typename T>
    void put(std::size_t at, const T& value) { std::memcpy(bytes_.data() + at, &value, sizeof(T)); }
    std::vector<std::byte> take() { return std::move(bytes_); }

private:
    std::vector<std::byte> bytes_;
};

using Symbols = std::vector<std::pair<std::string, std::uint64_t>>;

void add_offsets(Bytes& out, const Symbols& symbols)
{
    out.align(8);
    for (const auto& [name, address] : symbols)
        out.add(static_cast<std::int32_t>(address < 0x80000000 ? address : FakeKernel::kText - 1 - address));
    out.align(8);
    out.add(FakeKernel::kText);
}

void add_names(Bytes& out, const FakeKernel& kernel, const Symbols& symbols)
{
    out.align(8);
    out.add(static_cast<std::uint32_t>(symbols.size()));
    out.align(8);
    std::size_t start = out.size();
    std::vector<std::uint32_t> markers;
    for (std::size_t i = 0; i < symbols.size(); i++) {
        if (i % 256 == 0)
            markers.push_back(static_cast<std::uint32_t>(out.size() - start));
        const std::string& name = symbols[i].first;
        if (name.size() < 128) {
            out.add(static_cast<std::uint8_t>(name.size()));
        } else {
            out.add(static_cast<std::uint8_t>(0x80 | (name.size() & 0x7f)));
            out.add(static_cast<std::uint8_t>(name.size() >> 7));
        }
        for (char c : name)
            out.add(c); // token n is the character n
    }
    out.align(8);
    markers.at(1) += kernel.wrong_marker;
    for (std::uint32_t marker : markers)
        out.add(marker);
    out.align(8);
}

void add_tokens(Bytes& out)
{
    out.align(8);
    for (int i = 0; i < 256; i++)
        out.text(std::string(1, static_cast<char>(i ? i : 1)));
    out.align(8);
    for (std::uint16_t i = 0; i < 256; i++)
        out.add(static_cast<std::uint16_t>(i * 2));
}

void add_kallsyms(Bytes& out, const FakeKernel& kernel, const Symbols& symbols)
{
    std::vector<std::byte> sequence(symbols.size() * 3, std::byte{7});
    if (kernel.old_order) {
        add_offsets(out, symbols);
        add_names(out, kernel, symbols);
        if (kernel.sequence_table)
            out.add(sequence);
        add_tokens(out);
    } else {
        add_names(out, kernel, symbols);
        add_tokens(out);
        add_offsets(out, symbols);
        out.add(sequence);
    }
    out.align(8);
}

} // namespace

std::vector<std::byte> FakeKernel::elf() const
{
    Bytes text;
    text.grow_to(0x3000);
    text.put(kCr4Write - kText, std::uint32_t{0x00e1220f});
    text.put(kFunction - kText, function_word);
    text.put(kFunction - kText + 5, static_cast<std::int32_t>(kFentry - (kFunction + 9)));

    Bytes data;
    data.text("Linux version " + release + " (builder@example) #1 SMP\n");
    data.grow_to(0x4000);
    data.put(kPvOps - kData, pv_ops_word);
    std::uint64_t btf_start = kData + data.size();
    if (with_btf)
        data.add(fake_btf());
    std::uint64_t btf_stop = kData + data.size();

    Symbols symbols{{"Acurrent_task", kPerCpu}, {"Tsecondary_startup_64", kText}, {"T_text", kText}, {"Tkernel_function", kFunction},
                    {"T__fentry__", kFentry}, {"Dlevel2_fixmap_pgt", kPageDirectory}, {"Dpv_ops", kPvOps}, {"Dx86_init", kX86Init},
                    {"ttwice", kText + 0x10}, {"ttwice", kText + 0x20}, {"t" + std::string(200, 'n'), kText + 0x30}};
    if (with_btf)
        symbols.insert(symbols.end(), {{"R__start_BTF", btf_start}, {"R__stop_BTF", btf_stop}});
    symbols.insert(symbols.end(), more_symbols.begin(), more_symbols.end());
    for (std::uint64_t i = symbols.size(); i < 1500; i++)
        symbols.emplace_back("tfiller" + std::to_string(i), kText + i);
    add_kallsyms(data, *this, symbols);

    Bytes file;
    std::size_t text_at = 0x1000, data_at = text_at + text.size();
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_type = ET_EXEC;
    header.e_machine = EM_X86_64;
    header.e_entry = kPhys;
    header.e_phoff = sizeof(header);
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = 2;
    file.add(header);
    file.add(Elf64_Phdr{PT_LOAD, PF_R | PF_X, text_at, kText, kPhys, text.size(), text.size(), 0x200000});
    file.add(Elf64_Phdr{PT_LOAD, PF_R | PF_W, data_at, kData, kPhys + (kData - kText), data.size(), data.size() + 0x10000, 0x200000});
    file.grow_to(text_at);
    file.add(text.take());
    file.add(data.take());
    return file.take();
}

std::vector<std::byte> FakeKernel::bzimage() const
{
    std::vector<std::byte> image = elf();
    std::vector<std::byte> packed(compressBound(image.size()) + 64);
    z_stream stream{};
    if (deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        throw std::runtime_error{"deflateInit2"};
    stream.next_in = reinterpret_cast<Bytef*>(image.data());
    stream.avail_in = static_cast<uInt>(image.size());
    stream.next_out = reinterpret_cast<Bytef*>(packed.data());
    stream.avail_out = static_cast<uInt>(packed.size());
    deflate(&stream, Z_FINISH);
    packed.resize(stream.total_out);
    deflateEnd(&stream);

    Bytes file;
    file.grow_to(1024); // boot sector and one setup sector
    file.put(0x1f1, std::uint8_t{1});
    file.put(0x1fe, std::uint16_t{0xaa55});
    file.put(0x201, std::uint8_t{0x6a}); // the header ends at 0x26c
    file.put(0x202, std::uint32_t{0x53726448}); // "HdrS"
    file.put(0x206, std::uint16_t{0x20f});
    file.put(0x236, std::uint16_t{1}); // XLF_KERNEL_64
    file.put(0x248, std::uint32_t{16});
    file.put(0x24c, static_cast<std::uint32_t>(packed.size()));
    file.grow_to(1024 + 16);
    file.add(packed);
    file.align(16);
    file.put(0x1f4, static_cast<std::uint32_t>((file.size() - 1024) / 16));
    return file.take();
}

std::vector<std::byte> fake_btf()
{
    Bytes strings;
    auto name = [&](const char* text) {
        auto at = static_cast<std::uint32_t>(strings.size());
        strings.text(text);
        return at;
    };
    name("");
    auto info = [](std::uint32_t kind, std::uint32_t length) { return kind << 24 | length; };
    Bytes types;
    auto words = [&](std::initializer_list<std::uint32_t> list) {
        for (std::uint32_t word : list)
            types.add(word);
    };
    words({name("u64"), info(1, 0), 8, 64});                                                               // 1
    words({name("pv_cpu_ops"), info(4, 2), 16, name("io_delay"), 1, 0, name("cpuid"), 1, 64});             // 2
    words({name("u32"), info(1, 0), 4, 32});                                                               // 3
    words({0, info(4, 1), 16, name("ops"), 2, 0});                                                         // 4
    words({name("outer"), info(4, 2), 24, name("head"), 3, 0, 0, 4, 64});                                  // 5
    words({name("cpuhp_state"), info(6, 2), 4, name("CPUHP_OFFLINE"), 0, name("CPUHP_ONLINE"), 240});      // 6
    Bytes section;
    section.add(std::uint16_t{0xeb9f});
    section.add(std::uint16_t{1});
    for (std::size_t word : {std::size_t{24}, std::size_t{0}, types.size(), types.size(), strings.size()})
        section.add(static_cast<std::uint32_t>(word));
    section.add(types.take());
    section.add(strings.take());
    return section.take();
}

} // namespace colinux::testing
