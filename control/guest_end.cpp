// SPDX-License-Identifier: GPL-2.0
#include "control/guest_end.hpp"

#include <colinux/boot_info.h>

#include <algorithm>
#include <cstdio>

namespace colinux {

namespace {

constexpr std::uint64_t kMaximumPanicText = 1024;

std::string hexadecimal(std::uint64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(number));
    return text;
}

// The guest's own words: untrusted bytes, so length-limited and without control characters.
std::string panic_text(std::uint64_t phys, std::uint64_t capacity, const GuestMemory& memory)
{
    std::uint64_t bytes = std::min(capacity, kMaximumPanicText);
    const std::byte* at = memory.translate(phys, bytes);
    std::string text;
    for (std::uint64_t i = 0; at && i < bytes && at[i] != std::byte{0}; i++) {
        char c = static_cast<char>(at[i]);
        text += c >= ' ' && c <= '~' ? c : ' ';
    }
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
}

std::string unfit_item(std::uint64_t item)
{
    switch (item) {
    case CO_BAD_STATE_UNLOADABLE:
        return "the CPU refused a register's value";
    case CO_BAD_STATE_CR3:
        return "CR3 does not point into its memory";
    case CO_BAD_STATE_WINDOW:
        return "its page tables no longer map the passage";
    case CO_BAD_STATE_IDT:
        return "its IDT is not in its memory";
    case CO_BAD_STATE_GDT:
        return "its GDT is not in its memory";
    case CO_BAD_STATE_TSS:
        return "its TSS is not in its memory";
    case CO_BAD_STATE_MSR:
        return "an MSR has an impossible value";
    default:
        return "item " + std::to_string(item);
    }
}

GuestEnd killed(std::uint64_t why, std::uint64_t detail)
{
    switch (why) {
    case CO_KILL_BAD_CALL:
        return {ExitCode::GuestFault, "ended by the driver: the guest made unknown call " + std::to_string(detail)};
    case CO_KILL_BAD_STATE:
        return {ExitCode::GuestFault, "ended by the driver: the guest's CPU state is not fit to continue: " + unfit_item(detail)};
    case CO_KILL_HANG:
        return {ExitCode::GuestHang, "ended by the watchdog: a CPU made no progress with interrupts off"};
    case CO_KILL_BY_USER:
        return {ExitCode::GuestKilled, "killed"};
    case CO_KILL_HOST_ENDS:
        return {ExitCode::GuestKilled, "killed: the host shuts down"};
    case CO_KILL_TSC_RESTARTED:
        return {ExitCode::GuestKilled, "killed: the host slept, and the CPU's time stamp counter, a guest's clock, began anew: load the driver without tsc_survives_sleep"};
    default:
        return {ExitCode::GuestFault, "ended by the driver for reason " + std::to_string(why)};
    }
}

GuestEnd refused_by_graft(std::uint64_t error, std::uint64_t detail)
{
    switch (error) {
    case CO_GRAFT_ERROR_BOOT_INFO:
        return {ExitCode::NoGraft, "the graft is of another version (boot information " + std::to_string(detail) +
                                       "): build it anew with: colinux graft build"};
    case CO_GRAFT_ERROR_SYMBOL:
        return {ExitCode::KernelUnfit, "this kernel lacks a function that the graft needs"};
    case CO_GRAFT_ERROR_BYTES:
        return {ExitCode::KernelUnfit, "this kernel's code is not as the graft expects at " + hexadecimal(detail)};
    case CO_GRAFT_ERROR_PASSAGE:
        return {ExitCode::NoGraft, "graft and driver are of different versions: build the graft anew with: colinux graft build"};
    case CO_GRAFT_ERROR_EXCEPTION:
        return {ExitCode::GuestFault, "a debug exception at " + hexadecimal(detail) + " before its kernel could take one"};
    default:
        return {ExitCode::KernelUnfit,
                "the graft refused to run: error " + std::to_string(error) + ", detail " + hexadecimal(detail)};
    }
}

} // namespace

nlohmann::json end_fields(const GuestEnd& end)
{
    nlohmann::json fields{{"code", static_cast<int>(end.code)}, {"reason", end.reason}};
    if (!end.report.empty())
        fields["report"] = end.report;
    if (!end.dump.empty())
        fields["dump"] = end.dump;
    return fields;
}

GuestEnd describe_end(const co_run& run, const GuestMemory& memory)
{
    switch (run.exit) {
    case CO_EXIT_POWER_OFF:
        return {ExitCode::Success, "powered off"};
    case CO_EXIT_REBOOT:
        return {ExitCode::GuestReboot, "asked for a reboot"};
    case CO_EXIT_HALT:
        return {ExitCode::GuestHalt, "halted"};
    case CO_EXIT_PANIC: {
        std::string text = panic_text(run.arg[0], run.arg[1], memory);
        return {ExitCode::GuestPanic, "kernel panic" + (text.empty() ? "" : ": " + text)};
    }
    case CO_EXIT_KILLED:
        return killed(run.arg[0], run.arg[1]);
    case CO_EXIT_PROTOCOL:
        return refused_by_graft(run.arg[0], run.arg[1]);
    default:
        return {ExitCode::Internal, "the driver reported unknown exit " + std::to_string(run.exit)};
    }
}

} // namespace colinux
