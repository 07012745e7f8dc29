// SPDX-License-Identifier: GPL-2.0
// Dice: the storm's randomness. One seed, one sequence (splitmix64).
#pragma once

#include <cstdint>

namespace storm {

class Dice {
public:
    explicit Dice(std::uint64_t seed) : state_{seed} {}

    std::uint64_t next()
    {
        std::uint64_t word = state_ += 0x9e3779b97f4a7c15;
        word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9;
        word = (word ^ (word >> 27)) * 0x94d049bb133111eb;
        return word ^ (word >> 31);
    }
    std::uint64_t below(std::uint64_t limit) { return next() % limit; }
    bool one_in(std::uint64_t count) { return below(count) == 0; }
    template <typename T, std::size_t N>
    T of(const T (&list)[N])
    {
        return list[below(N)];
    }

    // Small, huge, or beside a power of two: where the limits are
    std::uint64_t number()
    {
        switch (below(4)) {
        case 0:
            return below(16);
        case 1:
            return (std::uint64_t{1} << below(64)) - below(3) + 1;
        case 2:
            return below(64) << 21;
        default:
            return next();
        }
    }

private:
    std::uint64_t state_;
};

} // namespace storm
