// SPDX-License-Identifier: GPL-2.0
// What a process of the storm has at hand: descriptors and mappings, in slots that are overwritten in any order; and
// the arguments it makes up.
//
// One thing the storm must not do: have the driver run a vCPU whose page tables or passage it has spoiled. That is ring 0,
// no promise covers it (docs/threat-model.md). So only runnable guests (TinyGuest) get an entry that the driver accepts,
// and nobody writes into the first 3 MiB of any guest's memory.
#pragma once

#include "dice.hpp"

#include <colinux/abi.h>

#include <atomic>
#include <cstddef>

namespace storm {

enum class Kind : unsigned char { None, Device, Guest, Vcpu, Event, Other };

struct Descriptor {
    int fd = -1;
    Kind kind = Kind::None;
};

struct Map {
    std::byte* at = nullptr;
    std::size_t bytes = 0;
    bool writable = false;
};

// Calls made by all processes, and what came of them: in memory that they share.
struct Tally {
    std::atomic<std::uint64_t> calls, errors, guests, runs, maps, passed, forks;
};

constexpr std::uint64_t kScribbleFrom = 3 << 20; // what lies below in a guest's memory may be its tables or its passage

class Objects {
public:
    static constexpr unsigned kDescriptors = 12, kMaps = 8;

    Objects(Dice& dice, Tally& tally);
    ~Objects();
    Objects(const Objects&) = delete;

    Dice& dice;
    Tally& tally;

    // Every call goes through here: counted, its result passed on.
    long made(long result);

    void keep(int fd, Kind kind); // in some slot; what was there is closed
    void keep(Map map);
    Descriptor any();
    int some(Kind kind); // -1: none at the moment
    Map* some_map();
    void close_one();
    void unmap_one();
    void unmap(Map& map);

    // A pointer for an ioctl: to a buffer with half-valid content, or to where no buffer can be.
    void* argument(unsigned code);

private:
    void fill(unsigned code);

    Descriptor descriptors_[kDescriptors];
    Map maps_[kMaps];
    alignas(8) std::byte buffer_[4096];
    std::byte* edge_; // a page, behind it nothing
    std::byte* read_only_;
};

} // namespace storm
