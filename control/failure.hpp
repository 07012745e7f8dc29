// SPDX-License-Identifier: GPL-2.0
// Failure: how user space reports trouble that a user can meet. One line that names the thing and
// the cure, and a distinct exit code (docs/exit-codes.md lists every one). Thrown where it is found,
// caught once in main().
#pragma once

#include <stdexcept>
#include <string>

namespace colinux {

// Exit codes of `colinux` and `colinuxd`. Numbers are a promise: never reuse one.
enum class ExitCode : int {
    Success = 0,        // for `run`: the guest powered itself off
    Usage = 2,          // unknown option, bad value
    // how a guest ended
    GuestReboot = 10,
    GuestHalt = 11,
    GuestPanic = 12,
    GuestKilled = 13,   // `colinux kill`, SIGTERM, SIGKILL
    GuestHang = 14,
    GuestFault = 15,    // the driver ended it: bad state or bad call
    // what stood in the way of a start
    NotRoot = 20,
    NoDriver = 21,
    DriverVersion = 22,
    MachineUnfit = 23,  // doctor has a refusal
    Privileges = 24,    // the daemon cannot give up what it does not need
    KernelMissing = 30,
    KernelDamaged = 31, // truncated, other architecture, not a kernel
    KernelUnfit = 32,   // cannot be taken over: no PARAVIRT_XXL, no kallsyms, unknown layout
    NoGraft = 33,       // no graft for this kernel ABI and none could be built
    InitrdUnfit = 34,
    NotCopied = 35,     // kernel and initramfs out of the image: no space
    DiskMissing = 40,
    DiskUnfit = 41,     // a directory, empty, size not a multiple of 512
    DiskReadOnly = 42,
    DiskBusy = 43,
    DiskFormat = 44,    // qcow2, gzip and so on
    DiskPartition = 45, // which one of a partitioned root disk, or one that is not there
    NoOverlay = 46,     // no temporary file for what a snapshot's guest writes
    ImageUnknown = 47,  // no such image in the store
    ImageTaken = 48,    // one of this name is in the store
    ImageDamaged = 49,  // its file system is, or it is no guest's root
    MemorySize = 50,    // too small, too large
    MemoryNotFound = 51,
    CpuCount = 52,
    MemoryNotReached = 53, // `memory`: the guest, or the host, has not got that far
    MemoryFixed = 54,      // a guest whose memory cannot change, or not yet
    NameTaken = 60,
    NameUnknown = 61,
    PortTaken = 62,
    NetworkUnfit = 63,
    ControlSocket = 64, // the daemon does not answer
    StopIgnored = 65,   // the guest has not shut down in the time that `stop` gave it
    BuildFailed = 70,   // graft or image build
    DumpFailed = 71,    // its file cannot be written
    ImportUnfit = 72,   // damaged, unsafe, or nothing that an image can be made from
    ToolMissing = 73,   // a program of another package, which is named
    ImageSize = 74,     // too small for what is in it
    // guests that are written down
    DefinitionInvalid = 80, // FILE:LINE:COLUMN: what is wrong there
    GuestRuns = 81,         // what is done with a guest that does not run only
    NotSaved = 82,          // a definition, or the copy of a disk, cannot be written
    NotHere = 83,           // something of the original's colinux-daemon that this host cannot do
    ServiceUnfit = 84,      // no systemd here, or it refused; or what is not done with a guest that is a service
    // the agent in a guest
    NoAgent = 90,    // none answers
    AgentLost = 91,  // the connection to it ended before the command did
    CopyFailed = 92, // `cp`
    GuestRoot = 93,  // `kernel run`: the guest cannot mount this host's folders
    Internal = 99,
};

class Failure : public std::runtime_error {
public:
    Failure(ExitCode code, const std::string& message) : std::runtime_error{message}, code_{code} {}
    ExitCode code() const { return code_; }

private:
    ExitCode code_;
};

} // namespace colinux
