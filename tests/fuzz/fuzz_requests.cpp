// SPDX-License-Identifier: GPL-2.0
// Requests of the driver in any order with any content, runs with a guest that does anything to its passage page
// short of what only its own world would notice, failing allocations, signals, and closes at any moment. The fake host
// reports what the core does wrong; at the end everything must have been given back.
#include "tests/fakes/fake_cpu.hpp"
#include "tests/fakes/fake_host.hpp"
#include "tests/fakes/window_tables.hpp"

#include <colinux/abi.h>
#include <colinux/boot_info.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace colinux {

namespace {

constexpr co_u32 kDeviceCodes[] = {CO_GET_VERSION, CO_GET_INFO, CO_CREATE_GUEST};
constexpr co_u32 kGuestCodes[] = {CO_ALLOCATE_MEMORY, CO_GET_MEMORY, CO_SET_PASSAGE, CO_CREATE_VCPU, CO_BIND_DOORBELL,
                                  CO_BIND_IRQ_LINE, CO_GET_GUEST_STATS, CO_REQUEST_STOP};

class Session {
public:
    Session(const std::uint8_t* data, std::size_t size) : data_{data}, size_{size} {}

    void play()
    {
        FakeHost::reset();
        host().free_runs = {{0x1000'0000, 8 << 20}, {0x4000'0000, 2 << 20}, {0x2000'0000, 4 << 20}};
        host().eventfds = {3, 4};
        host().guest = [this](co_passage& page) { be_the_guest(page); };
        host().on_take_interrupt = [this](unsigned) { host_event(); };
        host().on_yield = [this] { host().current_cpu = byte() & 1; };
        co_core_start(0);
        for (unsigned steps = 0; size_ > 0 && steps < 200; ++steps)
            step();
        for (void* vcpu : vcpus_)
            co_core_vcpu_release(vcpu);
        if (guest_)
            co_core_guest_release(guest_);
        co_core_stop();
        check();
    }

private:
    void step()
    {
        host().must_return = false;
        switch (byte() % 12) {
        case 0:
            request_of_device();
            break;
        case 1:
            close_something();
            break;
        case 2:
            host().allocations_until_failure = byte() % 32;
            break;
        case 3:
            host_event();
            break;
        case 4:
        case 5:
        case 6:
            run();
            break;
        case 7:
            make_good_guest();
            break;
        default:
            request_of_guest();
        }
    }

    void request_of_device()
    {
        void* created = nullptr;
        std::uint64_t argument[128] = {};
        fill(argument);
        co_core_device_request(kDeviceCodes[byte() % std::size(kDeviceCodes)], argument, &created);
        if (created && guest_)
            co_core_guest_release(created);
        else if (created)
            guest_ = created;
    }

    void request_of_guest()
    {
        if (!guest_)
            return;
        std::uint64_t argument[128] = {};
        fill(argument);
        guest_request(kGuestCodes[byte() % std::size(kGuestCodes)], argument, byte() % 8);
        co_core_guest_frame(guest_, word());
    }

    void guest_request(co_u32 code, void* argument, co_u64 value)
    {
        void* created = nullptr;
        if (co_core_guest_request(guest_, code, argument, value, &created) >= 0 && created)
            vcpus_.push_back(created);
    }

    // What random bytes would not find: a guest that can run
    void make_good_guest()
    {
        void* created = nullptr;
        co_create_guest create{4, 0, 0, 0};
        if (!guest_ && co_core_device_request(CO_CREATE_GUEST, &create, &created) == 0)
            guest_ = created;
        if (!guest_)
            return;
        co_allocate_memory memory{4 << 20, 2 << 20, 0, 0, {}};
        guest_request(CO_ALLOCATE_MEMORY, &memory, 0);
        std::uint64_t ram = co_core_guest_frame(guest_, 0);
        co_set_passage passage{ram, {}};
        guest_request(CO_SET_PASSAGE, &passage, 0);
        for (unsigned i = 0; i < 4; ++i)
            guest_request(CO_CREATE_VCPU, nullptr, i);
        co_vcpu_entry entry{1, 2, ram + 0x10'0000, 3, 4, CO_GRAFT_VIRT + 0x9000, 319, 0};
        if (ram)
            build_window_tables(entry.cr3, ram, ram);
        for (void* vcpu : vcpus_)
            co_core_vcpu_request(vcpu, CO_SET_ENTRY, &entry);
    }

    void run()
    {
        if (vcpus_.empty())
            return;
        void* vcpu = vcpus_[byte() % vcpus_.size()];
        std::uint64_t argument[128] = {};
        if (byte() & 1)
            fill(argument);
        crossings_left_ = 64;
        co_core_vcpu_request(vcpu, byte() % 8 ? CO_RUN : CO_SET_ENTRY, argument);
        co_core_vcpu_frame(vcpu, byte());
    }

    // Damages what the guest may damage: the graft's half of the page. (The CPU state below is for its own world.)
    void be_the_guest(co_passage& page)
    {
        if (size_ == 0 || crossings_left_-- == 0)
            host().must_return = true;
        FakeCpu::tsc += byte() * 100'000ull;
        if (byte() % 4 == 0)
            fill_some(&page.pending, sizeof(co_passage::pending) + sizeof(co_mailbox));
        if (byte() % 64 == 0) // most values end the guest
            fill_some(page.msr, sizeof(page.msr) + 8);
        page.mailbox.call = byte() % 4 ? byte() % (CO_CALL_POWER_OFF + 1) : byte();
        page.mailbox.flags = byte();
        for (co_u64& arg : page.mailbox.arg)
            arg = word();
        page.saw = byte() % 8 == 0 ? CO_SAW_NMI : byte() % 64 == 0 ? CO_SAW_BAD_STATE : 0;
        if (byte() % 8 == 0)
            host_event();
        if (host().must_return && page.mailbox.call < CO_CALL_POWER_OFF)
            page.mailbox.flags |= CO_MAILBOX_INTERRUPTS_ON; // let the run end some time
    }

    void host_event()
    {
        switch (byte() % 6) {
        case 0:
            host().fire_timers();
            break;
        case 1:
            host().signal_eventfd(3 + byte() % 2);
            break;
        case 2:
            host().must_return = true;
            break;
        case 3:
            host().must_yield = true;
            break;
        case 4:
            co_core_watch_cpu(byte());
            break;
        case 5:
            host().while_waiting.push_back([this] { host_event(); });
        }
    }

    void close_something()
    {
        if (byte() % 4 == 0 && guest_) {
            co_core_guest_release(guest_);
            guest_ = nullptr;
        } else if (!vcpus_.empty()) {
            auto victim = vcpus_.begin() + byte() % vcpus_.size();
            co_core_vcpu_release(*victim);
            vcpus_.erase(victim);
        }
    }

    std::uint8_t byte()
    {
        if (size_ == 0)
            return 0;
        --size_;
        return *data_++;
    }

    std::uint64_t word() // mostly small or near guest RAM, where the limits are
    {
        std::uint64_t value = byte();
        switch (value & 3) {
        case 0:
            return value >> 2;
        case 1:
            return 0x1000'0000 + (value >> 2) * 0x1000;
        case 2:
            return ~0ull << (value >> 2);
        }
        return value << (8 * (value % 8));
    }

    template <std::size_t N>
    void fill(std::uint64_t (&words)[N])
    {
        for (std::size_t i = 0; i < 8; ++i)
            words[i] = word();
    }

    void fill_some(void* start, std::size_t bytes)
    {
        std::size_t at = byte() * bytes / 256;
        static_cast<std::uint8_t*>(start)[at] = byte();
    }

    void check()
    {
        for (const std::string& violation : host().violations)
            std::fprintf(stderr, "violation: %s\n", violation.c_str());
        if (!host().violations.empty() || host().regions() || host().heap_objects || host().handles)
            std::abort();
    }

    const std::uint8_t* data_;
    std::size_t size_;
    void* guest_{};
    std::vector<void*> vcpus_;
    unsigned crossings_left_{};
};

} // namespace

} // namespace colinux

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    colinux::Session{data, size}.play();
    return 0;
}
