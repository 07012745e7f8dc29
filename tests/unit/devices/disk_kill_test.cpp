// SPDX-License-Identifier: GPL-2.0
// A process with a guest and its disk, killed at some moment: what the guest was told is flushed is in the file.
#include "tests/unit/devices/guest_with_disk.hpp"

#include "tests/fakes/temporary_file.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <array>
#include <random>

namespace colinux {
namespace {

constexpr unsigned kSeed = 12, kRounds = 25, kBlocks = 64, kBlockBytes = 4096;

using Block = std::array<std::uint64_t, kBlockBytes / sizeof(std::uint64_t)>;

// Writes generation after generation, some at a time, into blocks in turn, flushes, and tells `told` the last that was flushed.
[[noreturn]] void write_for_ever(const char* path, int told, DiskEngine engine, unsigned at_a_time)
{
    GuestWithDisk disk{path, false, engine};
    if (!disk.driver.bring_up(kRing | kFlush))
        _exit(1);
    std::uint64_t data = disk.guest.allocate(kBlockBytes);
    for (std::uint64_t generation = 1;; generation += at_a_time) {
        for (unsigned i = 0; i < at_a_time; i++) {
            disk.guest.at<Block>(data)->fill(generation + i);
            std::uint64_t sector = (generation + i) % kBlocks * kBlockBytes / 512;
            if (disk.request(VIRTIO_BLK_T_OUT, sector, {{data, kBlockBytes, false}}).status != VIRTIO_BLK_S_OK)
                _exit(2);
        }
        if (disk.request(VIRTIO_BLK_T_FLUSH, 0, {}).status != VIRTIO_BLK_S_OK)
            _exit(2);
        std::uint64_t last = generation + at_a_time - 1;
        if (write(told, &last, sizeof last) != sizeof last)
            _exit(3);
    }
}

class DiskKill : public testing::TestWithParam<DiskEngine> {};
INSTANTIATE_TEST_SUITE_P(Engines, DiskKill, testing::Values(DiskEngine::Best, DiskEngine::Synchronous),
                         [](auto& info) { return info.param == DiskEngine::Best ? "Best" : "Synchronous"; });

TEST_P(DiskKill, WhatWasFlushedIsThere)
{
    std::minstd_rand random{kSeed};
    for (unsigned round = 0; round < kRounds; round++) {
        TemporaryFile file{kBlocks * kBlockBytes};
        int ends[2];
        ASSERT_EQ(pipe(ends), 0);
        pid_t pid = fork();
        if (pid == 0)
            write_for_ever(file.path(), ends[1], GetParam(), 1 + round % 7);
        close(ends[1]);
        std::uint64_t last = 0;
        for (auto flushes = 1 + random() % 20; flushes > 0; flushes--)
            ASSERT_EQ(read(ends[0], &last, sizeof last), static_cast<ssize_t>(sizeof last));
        usleep(random() % 2000);
        kill(pid, SIGKILL);
        while (read(ends[0], &last, sizeof last) == sizeof last) { // what it told in its last moments
        }
        waitpid(pid, nullptr, 0);
        close(ends[0]);

        DiskFile disk = DiskFile::open({file.path()}); // the next guest's
        std::array<Block, kBlocks> blocks;
        ASSERT_EQ(pread(disk.fd(), &blocks, sizeof blocks, 0), static_cast<ssize_t>(sizeof blocks));
        for (std::uint64_t generation = last > kBlocks ? last - kBlocks + 1 : 1; generation <= last; generation++)
            for (std::uint64_t word : blocks[generation % kBlocks])
                ASSERT_GE(word, generation) << "seed " << kSeed << ", round " << round;
    }
}

} // namespace
} // namespace colinux
