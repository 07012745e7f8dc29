// SPDX-License-Identifier: GPL-2.0
#include "vmm/inspect/orc_table.hpp"

#include <algorithm>

namespace colinux {

namespace {

constexpr std::uint64_t kEntryBytes = 6, kPlaceBytes = 4;
constexpr unsigned kOldTypeCall = 0, kOldTypeRegisters = 1, kOldTypePartial = 2;
constexpr unsigned kNewTypeCall = 2;

unsigned type_word(ByteView entries, std::uint64_t index) { return entries.at<std::uint16_t>(index * kEntryBytes + 4); }

} // namespace

OrcTable::OrcTable(ByteView places, std::uint64_t places_virt, ByteView entries)
    : places_{places}, entries_{entries}, places_virt_{places_virt},
      count_{std::min(places.size() / kPlaceBytes, entries.size() / kEntryBytes)}
{
    std::uint64_t old_calls = 0, new_calls = 0;
    for (std::uint64_t i = 0; i < count_; i++) {
        unsigned word = type_word(entries_, i) >> 8;
        old_calls += (word & 3) == kOldTypeCall;
        new_calls += (word & 7) == kNewTypeCall;
    }
    old_layout_ = old_calls > new_calls;
}

std::uint64_t OrcTable::place(std::uint64_t index) const
{
    std::uint64_t at = index * kPlaceBytes;
    return places_virt_ + at + static_cast<std::uint64_t>(std::int64_t{places_.at<std::int32_t>(at)});
}

OrcTable::Entry OrcTable::entry(std::uint64_t index) const
{
    unsigned word = type_word(entries_, index), type = word >> 8;
    Entry entry{entries_.at<std::int16_t>(index * kEntryBytes), entries_.at<std::int16_t>(index * kEntryBytes + 2), word & 15,
                word >> 4 & 15, Kind::Undefined};
    if (!old_layout_) {
        type &= 7;
        entry.kind = type <= static_cast<unsigned>(Kind::PartialRegisters) ? static_cast<Kind>(type) : Kind::Undefined;
    } else if (entry.sp_base == None) {
        entry.kind = type & 4 ? Kind::EndOfStack : Kind::Undefined;
    } else {
        switch (type & 3) {
        case kOldTypeRegisters: entry.kind = Kind::Registers; break;
        case kOldTypePartial: entry.kind = Kind::PartialRegisters; break;
        default: entry.kind = Kind::Call; break;
        }
    }
    return entry;
}

std::optional<OrcTable::Entry> OrcTable::find(std::uint64_t address) const
{
    std::uint64_t low = 0, high = count_; // the last place that is not behind `address`
    while (low < high) {
        std::uint64_t middle = low + (high - low) / 2;
        if (place(middle) <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return std::nullopt;
    Entry found = entry(low - 1);
    return found.kind == Kind::Undefined ? std::nullopt : std::optional{found};
}

} // namespace colinux
