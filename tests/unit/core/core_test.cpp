// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/core/core_test.hpp"

#include "tests/fakes/window_tables.hpp"

#include <cstring>
#include <utility>

namespace colinux {

CoreTest::CoreTest()
{
    FakeHost::reset();
    co_core_start(0);
}

CoreTest::~CoreTest()
{
    co_core_stop();
    EXPECT_EQ(host().violations, std::vector<std::string>{});
    EXPECT_TRUE(host().mappings.empty());
    EXPECT_EQ(host().regions(), 0u) << "memory that was not given back";
    EXPECT_EQ(host().heap_objects, 0u);
    EXPECT_EQ(host().handles, 0u);
    EXPECT_FALSE(host().interrupts_off);
    EXPECT_FALSE(host().fpu_attached);
    co_driver_state state{};
    co_core_state(&state);
    EXPECT_EQ(state.guests, 0u);
    EXPECT_EQ(state.frames, 0u);
}

TestGuest::TestGuest(unsigned vcpus)
{
    co_create_guest create{vcpus, 0, 0, 0};
    EXPECT_EQ(co_core_device_request(CO_CREATE_GUEST, &create, &guest_), 0);
    co_allocate_memory memory{kBytes, kBytes, 0, 0, {}};
    EXPECT_EQ(request(CO_ALLOCATE_MEMORY, &memory), 0);
    ram_ = co_core_guest_frame(guest_, 0);
    co_set_passage passage{ram_, {}};
    passage_virt_ = create.passage_virt;
    EXPECT_EQ(request(CO_SET_PASSAGE, &passage), 0);
    for (unsigned i = 0; i < vcpus; ++i) {
        vcpus_.push_back(nullptr);
        EXPECT_EQ(co_core_guest_request(guest_, CO_CREATE_VCPU, nullptr, i, &vcpus_.back()), 0);
    }
    co_vcpu_entry first = entry();
    build_window_tables(first.cr3, ram_, ram_);
    EXPECT_EQ(vcpu_request(0, CO_SET_ENTRY, &first), 0);
}

TestGuest::~TestGuest()
{
    close_guest();
    for (void* vcpu : vcpus_)
        co_core_vcpu_release(vcpu);
}

void TestGuest::close_guest()
{
    if (void* guest = std::exchange(guest_, nullptr))
        co_core_guest_release(guest);
}

co_s64 TestGuest::request(co_u32 code, void* argument, co_u64 value)
{
    void* created = nullptr;
    co_s64 result = co_core_guest_request(guest_, code, argument, value, &created);
    if (created)
        vcpus_.push_back(created);
    return result;
}

co_s64 TestGuest::vcpu_request(unsigned vcpu, co_u32 code, void* argument)
{
    return co_core_vcpu_request(vcpus_[vcpu], code, argument);
}

unsigned TestGuest::run(unsigned vcpu)
{
    EXPECT_EQ(vcpu_request(vcpu, CO_RUN), 0);
    return run_page(vcpu).exit;
}

co_passage& TestGuest::page(unsigned vcpu)
{
    return *static_cast<co_passage*>(host().address_of(co_core_vcpu_frame(vcpus_[vcpu], kPageSize)));
}

co_run& TestGuest::run_page(unsigned vcpu)
{
    return *static_cast<co_run*>(host().address_of(co_core_vcpu_frame(vcpus_[vcpu], 0)));
}

co_guest_stats TestGuest::stats()
{
    co_guest_stats stats{};
    EXPECT_EQ(request(CO_GET_GUEST_STATS, &stats), 0);
    return stats;
}

co_vcpu_entry TestGuest::entry() const
{
    return {kVirt + 0x10000, kVirt + 0x20000, ram_ + 0x10'0000, 0x11, 0x22, kVirt + 0x9000, 20 * 16 - 1, 0};
}

} // namespace colinux
