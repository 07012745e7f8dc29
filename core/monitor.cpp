// SPDX-License-Identifier: GPL-2.0
#include "core/monitor.hpp"

#include "core/arch/x86_64/cpu.hpp"
#include "core/heap.hpp"

namespace colinux {

namespace {

unsigned page_table_levels() { return cpu::read_cr4() & cpu::kCr4La57 ? 5 : 4; }

// Can the CPU use all of [start, start + bytes)? A jump elsewhere would fault in the middle of the passage.
bool is_canonical(std::uint64_t start, std::uint64_t bytes)
{
    unsigned unused_bits = page_table_levels() == 5 ? 7 : 16;
    auto extended = [&](std::uint64_t address) {
        return static_cast<std::uint64_t>(static_cast<std::int64_t>(address << unused_bits) >> unused_bits);
    };
    std::uint64_t last = start + (bytes - 1);
    return last >= start && extended(start) == start && extended(last) == last && (start >> 63) == (last >> 63);
}

} // namespace

Monitor::Monitor(unsigned vcpus, FrameCounter& driver_frames, std::uint64_t ns_per_tick_32)
    : vcpu_count_{vcpus}, ns_per_tick_32_{ns_per_tick_32}, frames_{&driver_frames}, ram_{frames_}
{
}

Result<void> Monitor::create()
{
    lock_ = co_os_lock_create();
    if (!lock_)
        return Error::NoMemory;
    window_page_ = TRY(PassageWindow::reserve(vcpu_count_));
    return {};
}

Monitor::~Monitor()
{
    for (Line& line : lines_) {
        if (line.watch)
            co_os_event_unwatch(line.watch);
    }
    for (auto& vcpu : vcpus_)
        destroy(vcpu.load());
    if (window_page_)
        PassageWindow::release(window_page_, vcpu_count_);
    for (auto& doorbell : doorbells_) {
        if (co_os_event* event = doorbell.load())
            co_os_event_put(event);
    }
    if (lock_)
        co_os_lock_destroy(lock_);
}

// ---- requests -----------------------------------------------------------------------------------------------

Result<void> Monitor::allocate_memory(co_allocate_memory& request)
{
    if (request.reserved[0] || request.reserved[1])
        return Error::InvalidArgument;
    LockGuard guard{lock_};
    GuestRam::Found found{};
    Result<void> result = ram_.allocate(request.bytes, request.contiguous, found);
    request.found_bytes = found.bytes;
    request.found_run = found.largest_run;
    return result;
}

Result<void> Monitor::get_memory(co_get_memory& request)
{
    // Not under the lock: `ranges` may point into a mapping of this very guest, whose page fault asks frame_at()
    request.count = ram_.run_count();
    for (unsigned i = 0; i < request.count && i < request.capacity; ++i) {
        const GuestRam::Run& run = ram_.run(i);
        co_memory_range range{run.start.value, run.bytes, run.offset};
        if (co_os_copy_to_user(request.ranges + i * sizeof(range), &range, sizeof(range)))
            return Error::BadAddress;
        co_os_yield(false);
    }
    return {};
}

// A guest that gives up what it still uses, page tables for instance, is to harm itself only: before anything is freed, every vCPU has
// left it and looks at all that its next entry relies on.
Result<void> Monitor::give_up_block(co_memory_block& block)
{
    if (block.reserved[0] || block.reserved[1])
        return Error::InvalidArgument;
    LockGuard guard{lock_};
    if (align_down(passage_table_.value, CO_BLOCK_SIZE) == block.phys)
        return Error::Busy;
    block.offset = TRY(ram_.withdraw(Phys{block.phys}));
    if (!make_vcpus_forget_memory()) {
        ram_.restore(block.offset);
        return Error::Interrupted;
    }
    ram_.free_withdrawn(block.offset);
    return {};
}

bool Monitor::make_vcpus_forget_memory()
{
    bool interrupted = false;
    hold_others();
    for (auto& slot : vcpus_) {
        Vcpu* vcpu = slot.load();
        while (vcpu && !interrupted && !vcpu->forget_memory()) {
            vcpu->notify(); // one that has its CPU to itself, without a tick, might stay in the guest for long
            interrupted = co_os_interrupted();
            co_os_pause();
        }
    }
    let_others_run();
    return !interrupted;
}

Result<void> Monitor::take_back_block(co_memory_block& block)
{
    if (block.reserved[0] || block.reserved[1])
        return Error::InvalidArgument;
    LockGuard guard{lock_};
    block.offset = TRY(ram_.reclaim(Phys{block.phys}));
    return {};
}

Result<void> Monitor::set_passage(const co_set_passage& request)
{
    LockGuard guard{lock_};
    if (passage_table_.value)
        return Error::Busy;
    if (!is_aligned(request.table_phys, kPageSize) || !ram_.contains(Phys{request.table_phys}, kPageSize) || request.reserved[0] ||
        request.reserved[1] || request.reserved[2])
        return Error::InvalidArgument;
    passage_table_ = Phys{request.table_phys};
    FrameMapping{passage_table_}.as<std::uint64_t>()[0] = PassageWindow::code_entry();
    return {};
}

Result<Vcpu*> Monitor::create_vcpu(unsigned index)
{
    LockGuard guard{lock_};
    if (index >= vcpu_count_ || !passage_table_.value)
        return Error::InvalidArgument;
    if (vcpus_[index].load())
        return Error::Exists;
    Vcpu* vcpu = make<Vcpu>(*this, index, frames_);
    if (!vcpu)
        return Error::NoMemory;
    Result<void> created = vcpu->create(passage_table_, window_page_ + index);
    if (!created) {
        destroy(vcpu);
        return created.error();
    }
    vcpus_[index].store(vcpu);
    acquire(); // its file keeps the guest alive
    return vcpu;
}

Result<void> Monitor::set_entry(Vcpu& vcpu, const co_vcpu_entry& entry)
{
    LockGuard guard{lock_};
    if (ended())
        return Error::GuestEnded;
    if (vcpu.index() != 0 || entry.reserved || entry.idt_limit > 0xfff || !can_begin(entry))
        return Error::InvalidArgument;
    first_entry_ = entry;
    return vcpu.start(entry);
}

Result<void> Monitor::bind_doorbell(const co_bind_doorbell& request)
{
    LockGuard guard{lock_};
    if (request.doorbell >= CO_DOORBELLS || request.reserved)
        return Error::InvalidArgument;
    // A ring in flight on another CPU may still use the old event: a doorbell is bound once and stays
    if (doorbells_[request.doorbell].load())
        return Error::Busy;
    co_os_event* event = co_os_event_get(request.eventfd);
    if (!event)
        return Error::InvalidArgument;
    doorbells_[request.doorbell].store(event, std::memory_order_release);
    return {};
}

Result<void> Monitor::bind_irq_line(const co_bind_irq_line& request)
{
    LockGuard guard{lock_};
    if (request.line >= CO_IRQ_LINES || request.vcpu >= vcpu_count_)
        return Error::InvalidArgument;
    Line& line = lines_[request.line];
    co_os_watch* watch = nullptr;
    unsigned previous = line.vcpu.exchange(request.vcpu);
    line.monitor = this;
    if (request.eventfd != -1) {
        watch = co_os_event_watch(request.eventfd, line_raised, &line, request.line);
        if (!watch) {
            line.vcpu.store(previous);
            return Error::InvalidArgument;
        }
    }
    if (line.watch)
        co_os_event_unwatch(line.watch);
    line.watch = watch;
    return {};
}

CO_ABI void Monitor::line_raised(void* context, co_u32 number)
{
    auto& line = *static_cast<Line*>(context);
    if (Vcpu* vcpu = line.monitor->vcpu(line.vcpu))
        vcpu->raise(CO_PENDING_LINE0 + number);
}

void Monitor::request_stop()
{
    if (Vcpu* first = vcpu(0))
        first->raise(CO_PENDING_STOP);
}

void Monitor::request_clock()
{
    if (Vcpu* first = vcpu(0))
        first->raise(CO_PENDING_CLOCK);
}

void Monitor::get_stats(co_guest_stats& stats)
{
    stats = {};
    stats.frames = frames_.frames();
    stats.overhead_frames = stats.frames - ram_.present_bytes() / kPageSize;
    stats.memory_progress = ram_.progress();
    for (auto& slot : vcpus_) {
        Vcpu* vcpu = slot.load();
        if (!vcpu)
            continue;
        for (unsigned call = 0; call < CO_CALL_COUNT; ++call) {
            stats.calls[call] += vcpu->calls(call);
            stats.switches += vcpu->calls(call);
        }
        stats.nmis += vcpu->calls(CO_CALL_NMI);
        stats.passage_nmis += vcpu->passage_nmis();
        stats.preemption_nmis += vcpu->preemption_nmis();
    }
}

// ---- for the vCPUs ------------------------------------------------------------------------------------------

Vcpu* Monitor::vcpu(std::uint64_t index)
{
    return index < vcpu_count_ ? vcpus_[index].load(std::memory_order_acquire) : nullptr;
}

bool Monitor::can_begin(const co_vcpu_entry& entry) const
{
    return is_aligned(entry.cr3, kPageSize) && ram_.contains(Phys{entry.cr3}, kPageSize) && is_canonical(entry.rip, 1) &&
           is_canonical(entry.rsp, 1);
}

void Monitor::ring_doorbell(std::uint64_t doorbell)
{
    if (doorbell >= CO_DOORBELLS)
        return;
    if (co_os_event* event = doorbells_[doorbell].load(std::memory_order_acquire))
        co_os_event_signal(event);
}

bool Monitor::hold_others()
{
    bool only = holders_.fetch_add(1) == 0;
    for (auto& slot : vcpus_) {
        if (Vcpu* vcpu = slot.load())
            vcpu->notify();
    }
    return only;
}

void Monitor::end_with(unsigned exit, const co_u64 (&arg)[4])
{
    Ended expected = Ended::No;
    if (!ended_.compare_exchange_strong(expected, Ended::Ending)) {
        while (!ended()) // the other one is a few instructions before it; the caller must not enter again
            cpu::barrier();
        return;
    }
    end_ = {exit, {arg[0], arg[1], arg[2], arg[3]}};
    ended_.store(Ended::Yes, std::memory_order_release);
    for (unsigned i = 0; i < vcpu_count_; ++i) {
        if (Vcpu* other = vcpu(i))
            other->notify();
    }
}

void Monitor::kill(unsigned reason, std::uint64_t detail) { end_with(CO_EXIT_KILLED, {reason, detail, 0, 0}); }

} // namespace colinux
