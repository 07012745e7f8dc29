// SPDX-License-Identifier: GPL-2.0
#include "cli/report_text.hpp"

#include "control/config_text.hpp"

#include <algorithm>
#include <array>
#include <sstream>

namespace colinux {

using nlohmann::json;

namespace {

constexpr std::size_t kRegistersPerLine = 4;

// In the order in which people expect them; each dump of registers shows those that it has.
constexpr std::array kRegisters = {"rip", "rsp", "rflags", "cs",  "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8", "r9", "r10",
                                   "r11", "r12", "r13", "r14", "r15", "cr0", "cr2", "cr3", "cr4", "fs_base", "gs_base",
                                   "kernel_gs_base", "gdt_base", "idt_base", "tr", "ss", "ds", "es", "fs", "gs"};

std::string text_of(const json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

std::string without_prefix(const std::string& number) { return number.starts_with("0x") ? number.substr(2) : number; }

void print_registers(std::ostream& out, const json& registers, const char* indent)
{
    std::size_t printed = 0;
    for (const char* name : kRegisters) {
        auto found = registers.find(name);
        if (found == registers.end())
            continue;
        out << (printed % kRegistersPerLine == 0 ? indent : "  ") << name << " " << without_prefix(text_of(*found));
        if (++printed % kRegistersPerLine == 0)
            out << "\n";
    }
    if (printed % kRegistersPerLine != 0)
        out << "\n";
}

void print_trace(std::ostream& out, const json& trace)
{
    out << "  call trace (? = guessed)\n";
    for (const json& frame : trace) {
        if (frame.contains("registers")) {
            out << "    --- interrupted here ---\n";
            print_registers(out, frame["registers"], "    ");
        }
        out << "  " << (frame.value("sure", true) ? "  " : "? ") << without_prefix(frame.value("address", "")) << "  "
            << frame.value("symbol", "") << "\n";
    }
}

void print_cpu(std::ostream& out, const json& cpu)
{
    out << "\nCPU " << cpu.value("cpu", 0) << ": " << cpu.value("state", "");
    if (cpu.contains("task") && cpu["task"].is_object())
        out << ", task " << cpu["task"].value("name", "") << "[" << cpu["task"].value("pid", 0) << "]";
    out << "\n";
    if (cpu.contains("registers"))
        print_registers(out, cpu["registers"], "  ");
    if (cpu.contains("trace"))
        print_trace(out, cpu["trace"]);
}

} // namespace

std::string report_text(const json& report)
{
    std::ostringstream out;
    out << "guest " << report.value("name", "") << ": " << report.value("reason", "running") << "\n"
        << "kernel " << report.value("release", "") << ", " << report.value("vcpus", 0) << " CPUs, "
        << size_text(report.value("memory_bytes", std::uint64_t{0})) << "; up " << report.value("up_seconds", std::uint64_t{0})
        << " s at " << report.value("time", "") << "\n"
        << "command line: " << report.value("command_line", "") << "\n";
    for (const json& cpu : report.value("cpus", json::array()))
        print_cpu(out, cpu);
    out << "\nlast lines of the console:\n";
    for (const json& line : report.value("console", json::array()))
        out << "  " << text_of(line) << "\n";
    std::string text = out.str();
    std::ranges::replace_if(text, [](unsigned char c) { return (c < ' ' && c != '\n' && c != '\t') || c == 0x7f; }, '?');
    return text;
}

} // namespace colinux
