// SPDX-License-Identifier: GPL-2.0
// Monitor: every request of the guest fd and its errors, as abi.h states them, and the order of the end.
#include "tests/unit/core/core_test.hpp"

#include <algorithm>
#include <cstring>
#include <memory>

namespace colinux {

namespace {

constexpr std::uint64_t kMiB = 1 << 20;

class MonitorTest : public CoreTest {
protected:
    void* guest{};

    MonitorTest()
    {
        co_create_guest create{2, 0, 0, 0};
        co_core_device_request(CO_CREATE_GUEST, &create, &guest);
    }
    ~MonitorTest() override { co_core_guest_release(guest); }

    co_s64 request(co_u32 code, void* argument, co_u64 value = 0)
    {
        void* created = nullptr;
        co_s64 result = co_core_guest_request(guest, code, argument, value, &created);
        if (created)
            co_core_vcpu_release(created); // the vCPU lives on: the guest owns it
        return result;
    }
    co_s64 allocate(std::uint64_t bytes)
    {
        co_allocate_memory memory{bytes, bytes, 0, 0, {}};
        return request(CO_ALLOCATE_MEMORY, &memory);
    }
    co_s64 set_passage(co_set_passage passage) { return request(CO_SET_PASSAGE, &passage); }
    co_set_passage good_passage()
    {
        return {co_core_guest_frame(guest, 0) + kPageSize, {}};
    }
    co_s64 bind_doorbell(co_bind_doorbell binding) { return request(CO_BIND_DOORBELL, &binding); }
    co_s64 bind_line(co_bind_irq_line binding) { return request(CO_BIND_IRQ_LINE, &binding); }
};

TEST_F(MonitorTest, MemoryIsListedAndMapped)
{
    ASSERT_EQ(allocate(8 * kMiB), 0);
    co_get_memory get{0x7000, 4, 0};
    ASSERT_EQ(request(CO_GET_MEMORY, &get), 0);
    EXPECT_EQ(get.count, 1u);
    co_memory_range range{};
    std::memcpy(&range, host().user_memory.at(0x7000).data(), sizeof(range));
    EXPECT_EQ(range.phys, co_core_guest_frame(guest, 0));
    EXPECT_EQ(range.bytes, 8 * kMiB);
    EXPECT_EQ(co_core_guest_frame(guest, 8 * kMiB), 0u);
}

// Bug: of two guests that started at once each took what the other one's large run needed, and both were refused.
TEST_F(MonitorTest, OneSearchForMemoryAtATime)
{
    co_create_guest create{2, 0, 0, 0};
    void* other = nullptr;
    ASSERT_EQ(co_core_device_request(CO_CREATE_GUEST, &create, &other), 0);
    unsigned waits = 0;
    host().on_run_allocate = [&] {
        host().on_pause = [&] { host().must_return = ++waits == 3; };
        co_allocate_memory memory{2 * kMiB, 0, 0, 0, {}};
        EXPECT_EQ(co_core_guest_request(other, CO_ALLOCATE_MEMORY, &memory, 0, nullptr), -4) << "a signal ends the wait";
        host().must_return = false;
    };
    EXPECT_EQ(allocate(2 * kMiB), 0);
    EXPECT_EQ(waits, 3u);
    co_core_guest_release(other);
}

TEST_F(MonitorTest, ShortListIsFilledAsFarAsItGoes)
{
    host().free_runs = {{0x1000'0000, 2 * kMiB}, {0x2000'0000, 2 * kMiB}, {0x3000'0000, 2 * kMiB}};
    co_allocate_memory memory{6 * kMiB, 2 * kMiB, 0, 0, {}};
    ASSERT_EQ(request(CO_ALLOCATE_MEMORY, &memory), 0);
    co_get_memory get{0x7000, 2, 0};
    ASSERT_EQ(request(CO_GET_MEMORY, &get), 0);
    EXPECT_EQ(get.count, 3u);
    EXPECT_EQ(host().user_memory.size(), 2u);
}

// Bug: a list inside a mapping of the guest's own memory was a deadlock: its page fault waited for the request.
TEST_F(MonitorTest, ListMayLieInTheGuestsOwnMemory)
{
    ASSERT_EQ(allocate(2 * kMiB), 0);
    host().on_copy_to_user = [this] { EXPECT_NE(co_core_guest_frame(guest, 0), 0u); };
    co_get_memory get{0x7000, 1, 0};
    EXPECT_EQ(request(CO_GET_MEMORY, &get), 0); // the fake host complains of a deadlock
}

TEST_F(MonitorTest, PageFaultDoesNotWaitForTheSearch)
{
    host().on_run_allocate = [this] { EXPECT_EQ(co_core_guest_frame(guest, 0), 0u); };
    EXPECT_EQ(allocate(2 * kMiB), 0);
}

TEST_F(MonitorTest, ListAtABadAddressIsRejected)
{
    ASSERT_EQ(allocate(2 * kMiB), 0);
    host().user_memory_is_bad = true;
    co_get_memory get{0x7000, 1, 0};
    EXPECT_EQ(request(CO_GET_MEMORY, &get), -14);
}

TEST_F(MonitorTest, MemoryRequestsAreChecked)
{
    EXPECT_EQ(allocate(0), -22);
    EXPECT_EQ(allocate(kMiB), -22);
    co_allocate_memory with_reserved{2 * kMiB, 0, 0, 0, {0, 1}};
    EXPECT_EQ(request(CO_ALLOCATE_MEMORY, &with_reserved), -22);
    EXPECT_EQ(allocate(2 * kMiB), 0);
    EXPECT_EQ(allocate(2 * kMiB), -16);
}

TEST_F(MonitorTest, WhatWasFoundIsToldWhenItIsNotEnough)
{
    host().free_runs = {{0x1000'0000, 2 * kMiB}, {0x2000'0000, 4 * kMiB}};
    co_allocate_memory memory{16 * kMiB, 16 * kMiB, 0, 0, {}};
    EXPECT_EQ(request(CO_ALLOCATE_MEMORY, &memory), -12);
    EXPECT_EQ(memory.found_bytes, 6 * kMiB);
    EXPECT_EQ(memory.found_run, 4 * kMiB);
}

TEST_F(MonitorTest, PassageTableIsAnAlignedPageOfGuestRam)
{
    EXPECT_EQ(set_passage({0x1'0000'0000, {}}), -22) << "no RAM yet";
    ASSERT_EQ(allocate(2 * kMiB), 0);
    co_set_passage unaligned = good_passage(), outside = good_passage();
    unaligned.table_phys += 8;
    outside.table_phys += 2 * kMiB;
    EXPECT_EQ(set_passage(unaligned), -22);
    EXPECT_EQ(set_passage(outside), -22);
    for (unsigned i : {0u, 1u, 2u}) {
        co_set_passage reserved = good_passage();
        reserved.reserved[i] = 1;
        EXPECT_EQ(set_passage(reserved), -22);
    }
    EXPECT_EQ(set_passage(good_passage()), 0);
    EXPECT_EQ(set_passage(good_passage()), -16);
}

TEST_F(MonitorTest, VcpuNeedsAPassageAndAFreeIndex)
{
    ASSERT_EQ(allocate(2 * kMiB), 0);
    EXPECT_EQ(request(CO_CREATE_VCPU, nullptr, 0), -22) << "before the passage";
    ASSERT_EQ(set_passage(good_passage()), 0);
    EXPECT_EQ(request(CO_CREATE_VCPU, nullptr, 2), -22);
    EXPECT_EQ(request(CO_CREATE_VCPU, nullptr, 1ull << 32), -22);
    EXPECT_EQ(request(CO_CREATE_VCPU, nullptr, 1), 0);
    EXPECT_EQ(request(CO_CREATE_VCPU, nullptr, 1), -17);
}

TEST_F(MonitorTest, VcpuThatCannotBeMadeLeavesNothing)
{
    ASSERT_EQ(allocate(2 * kMiB), 0);
    ASSERT_EQ(set_passage(good_passage()), 0);
    std::uint64_t frames = host().frames();
    unsigned objects = host().heap_objects, handles = host().handles;
    co_s64 result = -12;
    for (unsigned failing = 0; result == -12; ++failing) {
        EXPECT_EQ(host().frames(), frames);
        EXPECT_EQ(host().heap_objects, objects);
        EXPECT_EQ(host().handles, handles);
        host().allocations_until_failure = failing;
        result = request(CO_CREATE_VCPU, nullptr, 0);
    }
    EXPECT_EQ(result, 0);
    EXPECT_EQ(host().frames(), frames + 2) << "its run page and its passage";
}

TEST_F(MonitorTest, DoorbellIsBoundOnceToAnEventfd)
{
    host().eventfds = {5, 6};
    EXPECT_EQ(bind_doorbell({CO_DOORBELLS, 0, 5}), -22);
    EXPECT_EQ(bind_doorbell({1, 1, 5}), -22);
    EXPECT_EQ(bind_doorbell({1, 0, 4}), -22);
    EXPECT_EQ(bind_doorbell({1, 0, -1}), -22);
    EXPECT_EQ(bind_doorbell({1, 0, 5}), 0);
    EXPECT_EQ(bind_doorbell({1, 0, 6}), -16);
    EXPECT_EQ(bind_doorbell({CO_DOORBELLS - 1, 0, 6}), 0);
    EXPECT_EQ(host().events.size(), 2u);
}

TEST_F(MonitorTest, LineIsBoundReboundAndUnbound)
{
    host().eventfds = {5, 6};
    EXPECT_EQ(bind_line({CO_IRQ_LINES, 0, 5}), -22);
    EXPECT_EQ(bind_line({0, 2, 5}), -22);
    EXPECT_EQ(bind_line({0, 0, 4}), -22);
    EXPECT_EQ(bind_line({0, 0, -1}), 0) << "unbinding what is not bound";
    EXPECT_EQ(bind_line({0, 0, 5}), 0);
    EXPECT_EQ(bind_line({0, 1, 6}), 0);
    ASSERT_EQ(host().watches.size(), 1u);
    EXPECT_EQ(host().watches[0]->descriptor, 6);
    EXPECT_EQ(bind_line({0, 0, -1}), 0);
    EXPECT_EQ(host().watches.size(), 0u);
}

// Bug: a rebinding that failed had unbound the line already.
TEST_F(MonitorTest, RebindingThatFailsChangesNothing)
{
    TestGuest other{2};
    host().eventfds = {5};
    co_bind_irq_line good{3, 1, 5}, bad{3, 0, 99};
    ASSERT_EQ(other.request(CO_BIND_IRQ_LINE, &good), 0);
    EXPECT_EQ(other.request(CO_BIND_IRQ_LINE, &bad), -22);
    host().signal_eventfd(5);
    EXPECT_EQ(other.page(1).pending, 1ull << (CO_PENDING_LINE0 + 3));
    EXPECT_EQ(other.page(0).pending, 0u);
}

TEST_F(MonitorTest, LineOfAVcpuThatDoesNotExistYetIsLost)
{
    host().eventfds = {5};
    EXPECT_EQ(bind_line({0, 1, 5}), 0);
    host().signal_eventfd(5);
}

TEST_F(MonitorTest, StopRequestRaisesThePowerButtonOnVcpu0)
{
    EXPECT_EQ(request(CO_REQUEST_STOP, nullptr), 0) << "no vCPU yet";
    TestGuest other{2};
    EXPECT_EQ(other.request(CO_REQUEST_STOP, nullptr), 0);
    EXPECT_EQ(other.request(CO_REQUEST_STOP, nullptr), 0);
    EXPECT_EQ(other.page(0).pending, 1ull << CO_PENDING_STOP);
    EXPECT_EQ(other.page(1).pending, 0u);
}

TEST_F(MonitorTest, EntryIsChecked)
{
    TestGuest other{2};
    auto set = [&](unsigned vcpu, auto change) {
        co_vcpu_entry entry = other.entry();
        change(entry);
        return other.vcpu_request(vcpu, CO_SET_ENTRY, &entry);
    };
    EXPECT_EQ(set(1, [](co_vcpu_entry&) {}), -22) << "only the guest starts the others";
    EXPECT_EQ(set(0, [](co_vcpu_entry& entry) { entry.reserved = 1; }), -22);
    EXPECT_EQ(set(0, [](co_vcpu_entry& entry) { entry.idt_limit = 0x1000; }), -22);
    EXPECT_EQ(set(0, [](co_vcpu_entry& entry) { entry.cr3 += 8; }), -22);
    EXPECT_EQ(set(0, [](co_vcpu_entry& entry) { entry.cr3 = 0x1000; }), -22);
    EXPECT_EQ(set(0, [](co_vcpu_entry& entry) { entry.rip = 1ull << 56; }), -22);
    EXPECT_EQ(set(0, [](co_vcpu_entry& entry) { entry.rsp = 1ull << 63; }), -22);
    EXPECT_EQ(set(0, [](co_vcpu_entry&) {}), -16) << "it has one already";
}

TEST_F(MonitorTest, EndedGuestAnswersOnlyQuestions)
{
    TestGuest other;
    ScriptedGuest script;
    ASSERT_EQ(other.run(), static_cast<unsigned>(CO_EXIT_POWER_OFF));
    co_bind_doorbell doorbell{1, 0, 5};
    EXPECT_EQ(other.request(CO_BIND_DOORBELL, &doorbell), -5);
    EXPECT_EQ(other.request(CO_REQUEST_STOP, nullptr), -5);
    EXPECT_EQ(other.request(CO_CREATE_VCPU, nullptr, 0), -5);
    co_vcpu_entry entry = other.entry();
    EXPECT_EQ(other.vcpu_request(0, CO_SET_ENTRY, &entry), -5);
    co_get_memory get{0, 0, 0};
    EXPECT_EQ(other.request(CO_GET_MEMORY, &get), 0);
    EXPECT_EQ(other.stats().calls[CO_CALL_POWER_OFF], 1u);
}

TEST_F(MonitorTest, StatsCountFramesAndOverhead)
{
    TestGuest other{2};
    co_guest_stats stats = other.stats();
    EXPECT_EQ(stats.memory_progress, TestGuest::kBytes);
    EXPECT_EQ(stats.frames - stats.overhead_frames, TestGuest::kBytes / kPageSize);
    EXPECT_EQ(stats.frames, host().frames());
}

TEST_F(MonitorTest, GuestLivesAsLongAsOneOfItsFiles)
{
    auto other = std::make_unique<TestGuest>(2);
    ScriptedGuest script;
    std::uint64_t ram = other->ram();
    other->close_guest();
    EXPECT_EQ(other->vcpu_request(0, CO_RUN), 0);
    EXPECT_NE(host().address_of(ram), nullptr);
    other.reset();
    EXPECT_EQ(host().frames(), 0u);
}

TEST_F(MonitorTest, LinesAreSilencedBeforeTheVcpusGo)
{
    host().eventfds = {5};
    {
        TestGuest other;
        co_bind_irq_line line{3, 0, 5};
        ASSERT_EQ(other.request(CO_BIND_IRQ_LINE, &line), 0);
        host().history.clear();
    }
    auto position = [&](const char* name) {
        auto& history = host().history;
        return std::find_if(history.begin(), history.end(), [&](auto& call) { return call.name == name; }) - history.begin();
    };
    EXPECT_LT(position("event_unwatch"), position("timer_destroy"));
    EXPECT_LT(position("timer_destroy"), position("run_free"));
}

} // namespace

} // namespace colinux
