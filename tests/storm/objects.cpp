// SPDX-License-Identifier: GPL-2.0
#include "objects.hpp"

#include "guard.hpp"

#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

namespace storm {

namespace {

constexpr std::size_t kPage = 4096;

} // namespace

Objects::Objects(Dice& dice, Tally& tally) : dice{dice}, tally{tally}
{
    edge_ = static_cast<std::byte*>(mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(edge_ + kPage, kPage, PROT_NONE);
    read_only_ = static_cast<std::byte*>(mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

Objects::~Objects()
{
    for (Map& map : maps_)
        unmap(map);
    for (Descriptor& descriptor : descriptors_) {
        if (descriptor.fd >= 0)
            close(descriptor.fd);
    }
    munmap(edge_, 2 * kPage);
    munmap(read_only_, kPage);
}

long Objects::made(long result)
{
    tally.calls.fetch_add(1, std::memory_order_relaxed);
    if (result < 0)
        tally.errors.fetch_add(1, std::memory_order_relaxed);
    return result;
}

void Objects::keep(int fd, Kind kind)
{
    if (fd < 0)
        return;
    Descriptor& slot = descriptors_[dice.below(kDescriptors)];
    if (slot.fd >= 0)
        made(close(slot.fd));
    slot = {fd, kind};
}

void Objects::keep(Map map)
{
    Map& slot = maps_[dice.below(kMaps)];
    unmap(slot);
    slot = map;
}

Descriptor Objects::any() { return descriptors_[dice.below(kDescriptors)]; }

int Objects::some(Kind kind)
{
    unsigned first = dice.below(kDescriptors);
    for (unsigned i = 0; i < kDescriptors; ++i) {
        const Descriptor& descriptor = descriptors_[(first + i) % kDescriptors];
        if (descriptor.kind == kind)
            return descriptor.fd;
    }
    return -1;
}

Map* Objects::some_map()
{
    Map& map = maps_[dice.below(kMaps)];
    return map.at ? &map : nullptr;
}

void Objects::close_one()
{
    Descriptor& slot = descriptors_[dice.below(kDescriptors)];
    if (slot.fd >= 0)
        made(close(slot.fd));
    slot = {};
}

void Objects::unmap(Map& map)
{
    if (map.at)
        made(munmap(map.at, map.bytes));
    map = {};
}

void Objects::unmap_one() { unmap(maps_[dice.below(kMaps)]); }

void Objects::fill(unsigned code)
{
    auto* word = reinterpret_cast<std::uint64_t*>(buffer_);
    for (unsigned i = 0; i < 16; ++i)
        word[i] = dice.one_in(3) ? dice.number() : 0;
    switch (code) {
    case CO_CREATE_GUEST:
        *reinterpret_cast<co_create_guest*>(buffer_) = {static_cast<co_u32>(dice.below(70)), dice.one_in(8), 0, 0};
        break;
    case CO_ALLOCATE_MEMORY: // more than a few MiB is not for here: oom.test
        word[0] = dice.one_in(4) ? dice.below(9) << 20 : dice.below(4) << 21;
        word[1] = dice.one_in(2) ? word[0] : dice.below(8) << 20;
        word[4] = word[5] = 0;
        break;
    case CO_GIVE_UP_BLOCK:
    case CO_TAKE_BACK_BLOCK: // any block of a lab's 2 GiB: now and then one of the guest's
        word[0] = dice.below(1024) << 21 | (dice.one_in(16) ? dice.number() : 0);
        word[2] = word[3] = 0;
        break;
    case CO_GET_MEMORY:
        if (Map* map = some_map(); map && map->writable && map->bytes > kScribbleFrom)
            word[0] = reinterpret_cast<std::uint64_t>(map->at + kScribbleFrom); // its own memory
        else
            word[0] = reinterpret_cast<std::uint64_t>(dice.one_in(2) ? edge_ + kPage - dice.below(64) : buffer_ + 2048);
        word[1] = dice.below(70);
        break;
    case CO_BIND_DOORBELL:
    case CO_BIND_IRQ_LINE:
        word[0] = dice.below(72) | (dice.one_in(4) ? dice.number() << 32 : 0);
        word[1] = dice.one_in(3) ? any().fd : some(Kind::Event);
        break;
    case CO_SET_ENTRY:
        word[2] |= 1; // CR3 is never aligned: refused
        break;
    }
}

void* Objects::argument(unsigned code)
{
    fill(code);
    switch (dice.below(12)) {
    case 0:
        return edge_ + kPage - dice.below(64);
    case 1:
        return read_only_;
    case 2:
        return reinterpret_cast<void*>(dice.number()); // bad address, or the plain number of a CO_IO call
    case 3: {
        constexpr unsigned kMostCopied = 256;
        Map* map = some_map();
        if (!map || !map->writable || map->bytes < kScribbleFrom + kMostCopied)
            return nullptr;
        guarded([&] { std::memcpy(map->at + kScribbleFrom, buffer_, kMostCopied); });
        return map->at + kScribbleFrom;
    }
    case 4:
    case 5:
        return reinterpret_cast<void*>(dice.below(10));
    default:
        return buffer_;
    }
}

} // namespace storm
