// SPDX-License-Identifier: GPL-2.0
#include "control/driver.hpp"

#include "control/cgroup_memory.hpp"
#include "control/config_text.hpp"
#include "control/failure.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <atomic>
#include <cerrno>
#include <cstring>

namespace colinux {

namespace {

// ioctl() without its EINTR; the result or -errno.
int call(int fd, unsigned long request, auto argument)
{
    for (;;) {
        int result = ioctl(fd, request, argument);
        if (result >= 0)
            return result;
        if (errno != EINTR)
            return -errno;
    }
}

int expect(int result, const char* what)
{
    if (result < 0)
        throw Failure{ExitCode::Internal, std::string{what} + ": " + strerror(-result)};
    return result;
}

// Frames are counted by 4 KiB, ranges by 2 MiB: "300M" reads better than an exact number.
std::string mebibytes(std::uint64_t bytes) { return std::to_string(bytes >> 20) + "M"; }

// So much must be left to the daemon itself: at its group's limit the kernel would end it, and the guest with it.
constexpr std::uint64_t kLeftToDaemon = 16 << 20;

void expect_cgroup_allows(std::uint64_t bytes)
{
    auto least = least_cgroup_memory();
    if (least && least->left < bytes + kLeftToDaemon)
        throw Failure{ExitCode::MemoryNotFound, "the control group " + least->group + " has " + mebibytes(least->left) + " left of its memory.max of " +
                                                    mebibytes(least->limit) + ", and " + size_text(bytes) + " for the guest and " +
                                                    mebibytes(kLeftToDaemon) + " for its daemon are needed; give --memory a smaller size, or raise the limit"};
}

} // namespace

Mapping::Mapping(int fd, std::uint64_t offset, std::size_t bytes) : bytes_{bytes}
{
    void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, static_cast<off_t>(offset));
    if (at == MAP_FAILED)
        throw Failure{ExitCode::Internal, std::string{"mapping the driver's memory: "} + strerror(errno)};
    data_ = static_cast<std::byte*>(at);
}

Mapping::Mapping(Mapping&& other) noexcept : data_{std::exchange(other.data_, nullptr)}, bytes_{other.bytes_} {}

Mapping& Mapping::operator=(Mapping&& other) noexcept
{
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
}

Mapping::~Mapping()
{
    if (data_)
        munmap(data_, bytes_);
}

VcpuFile::VcpuFile(UniqueFd fd) : fd_{std::move(fd)}, pages_{fd_.get(), 0, 2 * CO_PAGE_SIZE} {}

co_passage VcpuFile::passage() const
{
    co_passage copy;
    std::memcpy(&copy, pages_.data() + CO_PAGE_SIZE, sizeof copy);
    return copy;
}

void VcpuFile::set_entry(const co_vcpu_entry& entry) { expect(call(fd_.get(), CO_SET_ENTRY, &entry), "CO_SET_ENTRY"); }

void VcpuFile::run()
{
    int result = ioctl(fd_.get(), CO_RUN, 0);
    if (result >= 0)
        return;
    if (errno == EINTR)
        run_page().exit = CO_EXIT_INTERRUPTED;
    else
        expect(-errno, "CO_RUN");
}

void VcpuFile::request_exit() { std::atomic_ref{run_page().immediate_exit}.store(1); }

void VcpuFile::forget_exit_request() { std::atomic_ref{run_page().immediate_exit}.store(0); }

void GuestFile::allocate_memory(std::uint64_t bytes, std::uint64_t contiguous)
{
    expect_cgroup_allows(bytes);
    co_allocate_memory request{};
    request.bytes = bytes;
    request.contiguous = contiguous;
    int result = call(fd_.get(), CO_ALLOCATE_MEMORY, &request);
    if (result == -ENOMEM)
        throw Failure{ExitCode::MemoryNotFound,
                      "no " + size_text(bytes) + " of memory to be had: found " + mebibytes(request.found_bytes) +
                          ", its largest run " + mebibytes(request.found_run) + " (one of " + mebibytes(contiguous) +
                          " is needed); give --memory a smaller size, or free memory on the host"};
    expect(result, "CO_ALLOCATE_MEMORY");
}

int GuestFile::give_up_block(std::uint64_t phys)
{
    co_memory_block block{.phys = phys, .offset = 0, .reserved = {}};
    return -call(fd_.get(), CO_GIVE_UP_BLOCK, &block);
}

int GuestFile::take_back_block(std::uint64_t phys)
{
    co_memory_block block{.phys = phys, .offset = 0, .reserved = {}};
    return -call(fd_.get(), CO_TAKE_BACK_BLOCK, &block);
}

GuestMemory GuestFile::map_memory()
{
    std::vector<co_memory_range> runs(64);
    co_get_memory request{};
    for (;;) {
        request = {reinterpret_cast<co_u64>(runs.data()), static_cast<co_u32>(runs.size()), 0};
        expect(call(fd_.get(), CO_GET_MEMORY, &request), "CO_GET_MEMORY");
        if (request.count <= runs.size())
            break;
        runs.resize(request.count);
    }
    runs.resize(request.count);

    std::vector<GuestMemory::Range> ranges;
    for (const co_memory_range& run : runs) {
        memory_.emplace_back(fd_.get(), run.offset, run.bytes);
        ranges.push_back({run.phys, run.bytes, memory_.back().data()});
    }
    return GuestMemory{std::move(ranges)};
}

void GuestFile::set_passage(const co_set_passage& passage)
{
    expect(call(fd_.get(), CO_SET_PASSAGE, &passage), "CO_SET_PASSAGE");
}

VcpuFile GuestFile::create_vcpu(std::uint32_t index)
{
    return VcpuFile{UniqueFd{expect(call(fd_.get(), CO_CREATE_VCPU, index), "CO_CREATE_VCPU")}};
}

void GuestFile::bind_doorbell(std::uint32_t doorbell, int eventfd)
{
    co_bind_doorbell request{doorbell, 0, eventfd};
    expect(call(fd_.get(), CO_BIND_DOORBELL, &request), "CO_BIND_DOORBELL");
}

void GuestFile::bind_irq_line(std::uint32_t line, std::uint32_t vcpu, int eventfd)
{
    co_bind_irq_line request{line, vcpu, eventfd};
    expect(call(fd_.get(), CO_BIND_IRQ_LINE, &request), "CO_BIND_IRQ_LINE");
}

void GuestFile::request_stop() { expect(call(fd_.get(), CO_REQUEST_STOP, 0), "CO_REQUEST_STOP"); }

co_guest_stats GuestFile::stats() const
{
    co_guest_stats stats{};
    expect(call(fd_.get(), CO_GET_GUEST_STATS, &stats), "CO_GET_GUEST_STATS");
    return stats;
}

Driver::Driver(const std::string& path) : fd_{open(path.c_str(), O_RDWR | O_CLOEXEC)}
{
    if (!fd_) {
        if (errno == EACCES || errno == EPERM)
            throw Failure{ExitCode::NotRoot, path + " may be opened by root only: run this as root"};
        if (errno == ENOENT || errno == ENXIO || errno == ENODEV)
            throw Failure{ExitCode::NoDriver, path + " is not there; load the driver with: modprobe colinux"};
        throw Failure{ExitCode::NoDriver, path + ": " + strerror(errno)};
    }
    int version = call(fd_.get(), CO_GET_VERSION, 0);
    if (version < 0)
        throw Failure{ExitCode::NoDriver, path + " is not coLinux's driver; load it with: modprobe colinux"};
    if (version != CO_ABI_VERSION)
        throw Failure{ExitCode::DriverVersion,
                      "the driver speaks version " + std::to_string(version) + " of the interface, this program " +
                          std::to_string(CO_ABI_VERSION) +
                          ": install both from one build, then: rmmod colinux; modprobe colinux"};
}

co_info Driver::info() const
{
    co_info info{};
    expect(call(fd_.get(), CO_GET_INFO, &info), "CO_GET_INFO");
    return info;
}

GuestFile Driver::create_guest(std::uint32_t vcpus)
{
    co_create_guest request{};
    request.vcpus = vcpus;
    int result = call(fd_.get(), CO_CREATE_GUEST, &request);
    if (result == -ENODEV) {
        std::string texts;
        for (const Refusal& refusal : refusals_in(info().refusals))
            texts += std::string{texts.empty() ? "" : ", and "} + refusal.text + ": " + refusal.cure;
        throw Failure{ExitCode::MachineUnfit, "this machine cannot run guests: " + texts + " (see: colinux doctor)"};
    }
    if (result == -EINVAL)
        throw Failure{ExitCode::CpuCount, "the driver does not do " + std::to_string(vcpus) + " CPUs"};
    return GuestFile{UniqueFd{expect(result, "CO_CREATE_GUEST")}, request.passage_virt};
}

} // namespace colinux
