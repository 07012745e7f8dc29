// SPDX-License-Identifier: GPL-2.0
#include "cli/nearest.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

namespace colinux {

namespace {

std::size_t edit_distance(std::string_view from, std::string_view to)
{
    std::vector<std::size_t> row(to.size() + 1); // Levenshtein, one row of the matrix at a time
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < from.size(); i++) {
        std::size_t diagonal = row[0];
        row[0] = i + 1;
        for (std::size_t j = 0; j < to.size(); j++) {
            std::size_t replaced = diagonal + (from[i] != to[j]);
            diagonal = row[j + 1];
            row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
        }
    }
    return row.back();
}

} // namespace

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates)
{
    constexpr std::size_t kLongestWord = 64;
    std::string_view best;
    std::size_t least = 1 + word.size() / 3;
    if (word.size() > kLongestWord)
        return best;
    for (std::string_view candidate : candidates)
        if (std::size_t distance = edit_distance(word, candidate); distance <= least && (best.empty() || distance < least)) {
            best = candidate;
            least = distance;
        }
    return best;
}

} // namespace colinux
