// SPDX-License-Identifier: GPL-2.0
// What a guest reads of a device's config space while the daemon changes it: one change, whole, without waiting.
#include "graft/config_space.h"
#include "vmm/virtio/device_page.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <semaphore.h>
#include <sys/mman.h>
#include <thread>
#include <vector>

namespace colinux {
namespace {

using Config = std::vector<std::byte>;
constexpr std::size_t kPage = 4096;

Config filled(unsigned value) { return Config(CO_CONFIG_BYTES, std::byte(value)); }

Config read_all(const co_device& device)
{
    Config config(CO_CONFIG_BYTES);
    co_read_config(&device, 0, config.data(), CO_CONFIG_BYTES);
    return config;
}

// As the kernel's __virtio_cread_many() does
Config read_in_pieces(const co_device& device)
{
    Config config(CO_CONFIG_BYTES);
    co_u32 before, after = co_config_generation(&device);
    do {
        before = after;
        for (unsigned offset = 0; offset < CO_CONFIG_BYTES; offset += 8)
            co_read_config(&device, offset, config.data() + offset, 8);
        after = co_config_generation(&device);
    } while (after != before);
    return config;
}

// What is to be written lies on two pages, the second of which cannot be read before go_on(): so its writer stands in the middle.
struct HalfReadable {
    HalfReadable()
    {
        pages = static_cast<std::byte*>(mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        std::fill_n(pages, 2 * kPage, std::byte{2});
        mprotect(second(), kPage, PROT_NONE);
        sem_init(&stands, 0, 0);
        sem_init(&goes_on, 0, 0);
        current = this;
        struct sigaction wait{};
        wait.sa_handler = [](int) {
            sem_post(&current->stands);
            while (sem_wait(&current->goes_on)) {}
            mprotect(current->second(), kPage, PROT_READ);
        };
        sigaction(SIGSEGV, &wait, &before);
    }
    ~HalfReadable()
    {
        sigaction(SIGSEGV, &before, nullptr);
        munmap(pages, 2 * kPage);
    }
    std::byte* second() { return pages + kPage; }
    std::span<const std::byte> config() { return {second() - CO_CONFIG_BYTES / 2, CO_CONFIG_BYTES}; }

    static inline HalfReadable* current;
    std::byte* pages;
    sem_t stands, goes_on;
    struct sigaction before{};
};

TEST(ConfigSpace, WriterThatStandsStillInTheMiddleIsNotWaitedForAndNotSeen)
{
    co_device device{};
    DevicePage page{&device};
    page.write_config(filled(1));
    co_u32 generation = co_config_generation(&device);
    HalfReadable change;
    std::jthread writer{[&] { page.write_config(change.config()); }};
    sem_wait(&change.stands);
    for (int look = 0; look < 3; look++) {
        EXPECT_EQ(co_config_generation(&device), generation);
        EXPECT_EQ(read_all(device), filled(1));
        EXPECT_EQ(read_in_pieces(device), filled(1));
    }
    sem_post(&change.goes_on);
    writer.join();
    EXPECT_NE(co_config_generation(&device), generation);
    EXPECT_EQ(read_all(device), filled(2));
}

TEST(ConfigSpace, EachReadIsOfOneChange)
{
    co_device device{};
    DevicePage page{&device};
    std::atomic<bool> done{};
    std::jthread writer{[&] {
        for (unsigned change = 1; change <= 20'000; change++)
            page.write_config(filled(change));
        done = true;
    }};
    while (!done) {
        Config all = read_all(device), pieces = read_in_pieces(device);
        ASSERT_EQ(all, filled(std::to_integer<unsigned>(all[0])));
        ASSERT_EQ(pieces, filled(std::to_integer<unsigned>(pieces[0])));
    }
    EXPECT_EQ(read_in_pieces(device), filled(20'000));
}

TEST(ConfigSpace, EndsWhereItEnds)
{
    EXPECT_TRUE(co_config_contains(0, CO_CONFIG_BYTES));
    EXPECT_TRUE(co_config_contains(CO_CONFIG_BYTES, 0));
    EXPECT_FALSE(co_config_contains(CO_CONFIG_BYTES - 3, 4));
    EXPECT_FALSE(co_config_contains(~0u, 2));
}

} // namespace
} // namespace colinux
