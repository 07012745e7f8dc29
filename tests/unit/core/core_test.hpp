// SPDX-License-Identifier: GPL-2.0
// What the tests of the core share: a fresh fake host per test, which must hold nothing of the core's at the end and
// must not have been wronged; and a guest made by the driver's own requests, as the daemon makes it.
#pragma once

#include "core/monitor.hpp"
#include "tests/fakes/fake_cpu.hpp"
#include "tests/fakes/fake_host.hpp"
#include "tests/fakes/scripted_guest.hpp"

#include <colinux/abi.h>

#include <gtest/gtest.h>

namespace colinux {

class CoreTest : public testing::Test {
protected:
    CoreTest();
    ~CoreTest() override; // expects that nothing is left and no contract was broken
};

// A guest with one contiguous run of memory, a passage, and `vcpus` vCPUs; vCPU 0 has its entry. Gone with the object.
class TestGuest {
public:
    static constexpr std::uint64_t kBytes = 4 << 20;
    static constexpr std::uint64_t kVirt = 0xffff'ffff'ff80'0000;

    explicit TestGuest(unsigned vcpus = 1);
    ~TestGuest();
    TestGuest(const TestGuest&) = delete;

    co_s64 request(co_u32 code, void* argument, co_u64 value = 0);
    co_s64 vcpu_request(unsigned vcpu, co_u32 code, void* argument = nullptr);
    // CO_RUN, which must succeed; the CO_EXIT_*
    unsigned run(unsigned vcpu = 0);

    Monitor& monitor() { return *static_cast<Monitor*>(guest_); }
    co_passage& page(unsigned vcpu = 0);
    co_run& run_page(unsigned vcpu = 0);
    co_guest_stats stats();
    co_vcpu_entry entry() const;
    std::uint64_t ram() const { return ram_; } // its first page is the passage window's page table
    std::uint64_t passage_virt() const { return passage_virt_; }
    void close_guest(); // the guest's own file; the vCPUs' stay

private:
    void* guest_{};
    std::vector<void*> vcpus_;
    std::uint64_t ram_{}, passage_virt_{};
};

} // namespace colinux
