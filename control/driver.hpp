// SPDX-License-Identifier: GPL-2.0
// The driver's interface (include/colinux/abi.h) as three owners: Driver (/dev/colinux), GuestFile and
// VcpuFile. Each closes its descriptor when it goes; when the last one of a guest has gone, the
// driver has taken every frame back. Errors a user can meet become Failure with the cure in the
// text; anything else is ExitCode::Internal with the call's name.
#pragma once

#include "control/guest_memory.hpp"
#include "control/unique_fd.hpp"

#include <colinux/abi.h>
#include <colinux/passage.h>

#include <cstdint>
#include <string>
#include <vector>

namespace colinux {

// One text with its cure for each CO_REFUSAL_* bit that is set; shared with `colinux doctor`.
struct Refusal {
    const char* code; // stable: "fred", "xen-pv", ...
    const char* text;
    const char* cure;
};
std::vector<Refusal> refusals_in(std::uint32_t bits);

// A mapping of a driver's file; unmapped when it goes.
class Mapping {
public:
    Mapping() = default;
    Mapping(int fd, std::uint64_t offset, std::size_t bytes); // Failure: Internal
    Mapping(Mapping&& other) noexcept;
    Mapping& operator=(Mapping&& other) noexcept;
    ~Mapping();

    std::byte* data() const { return data_; }
    std::size_t size() const { return bytes_; }

private:
    std::byte* data_{};
    std::size_t bytes_{};
};

class VcpuFile {
public:
    explicit VcpuFile(UniqueFd fd);

    void set_entry(const co_vcpu_entry& entry);
    // Runs the guest on this thread until an exit that user space must see: run_page().exit.
    void run();
    // Makes run() return CO_EXIT_INTERRUPTED, now or when it is called next. From any thread; a thread
    // that is inside run() needs a signal as well.
    void request_exit();
    void forget_exit_request(); // by the thread that calls run()
    co_run& run_page() const { return *reinterpret_cast<co_run*>(pages_.data()); }
    // The guest's state while it is out; a copy, the guest writes there too.
    co_passage passage() const;

private:
    UniqueFd fd_;
    Mapping pages_; // struct co_run, struct co_passage
};

class GuestFile {
public:
    // `passage_virt`: co_create_guest's
    explicit GuestFile(UniqueFd fd, std::uint64_t passage_virt = 0) : fd_{std::move(fd)}, passage_virt_{passage_virt} {}

    std::uint64_t passage_virt() const { return passage_virt_; }

    // Finds and zeroes `bytes`, with one run of at least `contiguous` in it. Takes long; progress is
    // in stats().memory_progress meanwhile. Failure: MemoryNotFound, saying what was found.
    void allocate_memory(std::uint64_t bytes, std::uint64_t contiguous);
    GuestMemory map_memory(); // once; the mapping lives as long as this object
    int give_up_block(std::uint64_t phys); // 0 or an errno; also take_back_block()
    int take_back_block(std::uint64_t phys);
    void set_passage(const co_set_passage& passage);
    VcpuFile create_vcpu(std::uint32_t index);
    void bind_doorbell(std::uint32_t doorbell, int eventfd);
    void bind_irq_line(std::uint32_t line, std::uint32_t vcpu, int eventfd);
    void request_stop();
    co_guest_stats stats() const;

private:
    UniqueFd fd_;
    std::uint64_t passage_virt_;
    std::vector<Mapping> memory_;
};

class Driver {
public:
    // Failure: NotRoot, NoDriver, DriverVersion.
    explicit Driver(const std::string& path = CO_DEVICE_PATH);

    co_info info() const;
    GuestFile create_guest(std::uint32_t vcpus); // Failure: MachineUnfit, CpuCount

private:
    UniqueFd fd_;
};

} // namespace colinux
