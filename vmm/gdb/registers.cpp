// SPDX-License-Identifier: GPL-2.0
#include "vmm/gdb/registers.hpp"

#include "vmm/gdb/packet.hpp"

namespace colinux {

namespace {

struct About {
    const char* name;
    unsigned bits;
    const char* type;
};

constexpr std::array<About, kRegisters> kAbout{{
    {"rax", 64, "int64"}, {"rbx", 64, "int64"}, {"rcx", 64, "int64"}, {"rdx", 64, "int64"},
    {"rsi", 64, "int64"}, {"rdi", 64, "int64"}, {"rbp", 64, "data_ptr"}, {"rsp", 64, "data_ptr"},
    {"r8", 64, "int64"}, {"r9", 64, "int64"}, {"r10", 64, "int64"}, {"r11", 64, "int64"},
    {"r12", 64, "int64"}, {"r13", 64, "int64"}, {"r14", 64, "int64"}, {"r15", 64, "int64"},
    {"rip", 64, "code_ptr"}, {"eflags", 32, "int32"},
    {"cs", 32, "int32"}, {"ss", 32, "int32"}, {"ds", 32, "int32"}, {"es", 32, "int32"}, {"fs", 32, "int32"}, {"gs", 32, "int32"},
    {"st0", 80, "i387_ext"}, {"st1", 80, "i387_ext"}, {"st2", 80, "i387_ext"}, {"st3", 80, "i387_ext"},
    {"st4", 80, "i387_ext"}, {"st5", 80, "i387_ext"}, {"st6", 80, "i387_ext"}, {"st7", 80, "i387_ext"},
    {"fctrl", 32, "int"}, {"fstat", 32, "int"}, {"ftag", 32, "int"}, {"fiseg", 32, "int"},
    {"fioff", 32, "int"}, {"foseg", 32, "int"}, {"fooff", 32, "int"}, {"fop", 32, "int"},
    {"fs_base", 64, "int"}, {"gs_base", 64, "int"},
    {"cr0", 64, "int64"}, {"cr2", 64, "int64"}, {"cr3", 64, "int64"}, {"cr4", 64, "int64"},
}};

constexpr struct {
    std::size_t first;
    const char* name;
} kFeatures[] = {{kRax, "org.gnu.gdb.i386.core"}, {kFsBase, "org.gnu.gdb.i386.segments"}, {kCr0, "org.colinux.control"}};

constexpr std::size_t digits(std::size_t which) { return kAbout[which].bits / 4; }

} // namespace

std::string Registers::hex(Register which) const
{
    if (!values_[which])
        return std::string(digits(which), 'x');
    std::string bytes;
    for (unsigned bit = 0; bit < kAbout[which].bits; bit += 8)
        bytes.push_back(bit < 64 ? static_cast<char>(*values_[which] >> bit) : '\0');
    return to_hex(bytes);
}

std::string Registers::all_hex() const
{
    std::string text;
    for (std::size_t which = 0; which < kRegisters; which++)
        text += hex(static_cast<Register>(which));
    return text;
}

bool Registers::set_hex(Register which, std::string_view text)
{
    std::optional<std::string> bytes = from_hex(text);
    if (text.size() != digits(which))
        return false;
    if (!bytes)
        return text.find_first_not_of('x') == std::string_view::npos;
    if (!values_[which])
        return true;
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes->size() && i < 8; i++)
        value |= std::uint64_t{static_cast<std::uint8_t>((*bytes)[i])} << 8 * i;
    values_[which] = value;
    return true;
}

bool Registers::set_all_hex(std::string_view text)
{
    for (std::size_t which = 0; which < kRegisters && !text.empty(); which++) { // gdb may send fewer
        if (!set_hex(static_cast<Register>(which), text.substr(0, digits(which))))
            return false;
        text.remove_prefix(digits(which));
    }
    return text.empty();
}

std::string target_description()
{
    std::string xml = "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\">"
                      "<target version=\"1.0\"><architecture>i386:x86-64</architecture>";
    const auto* feature = std::begin(kFeatures);
    for (std::size_t which = 0; which < kRegisters; which++) {
        if (feature != std::end(kFeatures) && which == feature->first)
            xml += std::string{which ? "</feature>" : ""} + "<feature name=\"" + (feature++)->name + "\">";
        const About& about = kAbout[which];
        xml += std::string{"<reg name=\""} + about.name + "\" bitsize=\"" + std::to_string(about.bits) + "\" type=\"" + about.type + "\"/>";
    }
    return xml + "</feature></target>";
}

} // namespace colinux
