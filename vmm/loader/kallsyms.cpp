// SPDX-License-Identifier: GPL-2.0
// How the tables are found in an image without symbols. They lie back to back in rodata, each on 8 bytes,
// in one of two orders (scripts/kallsyms.c):
//
//   up to 6.3:  offsets  relative_base  num_syms  names  markers  [seqs_of_names]  token_table  token_index
//   from 6.4:   num_syms  names  markers  token_table  token_index  offsets  relative_base  seqs_of_names
//
// (seqs_of_names came in 6.2; distributions have it in 6.1 too.) A name is a length byte (two from 128 on) and that
// many token numbers; the first character of the decoded text is the symbol's type.
// token_index is 256 ascending u16, each pointing behind a NUL of token_table just before it: that pair is
// unmistakable. From there the count is found by the relative base, which equals the address of
// _text, and a candidate is believed only when all names decode and every marker (position of each
// 256th name) agrees.
#include "vmm/loader/kallsyms.hpp"

#include "base/address.hpp"

#include <algorithm>
#include <numeric>

namespace colinux {
namespace {

constexpr std::uint64_t kTokens = 256;
constexpr std::uint64_t kIndexBytes = kTokens * 2;
constexpr std::uint64_t kLongestToken = 512;
constexpr std::uint32_t kFewestSymbols = 1000, kMostSymbols = 4'000'000;
constexpr std::uint32_t kNamesPerMarker = 256;

// Where the token table that belongs to an index at `index` starts, if it is one.
std::optional<std::uint64_t> token_table_before(ByteView image, std::uint64_t index)
{
    std::uint16_t last = image.at<std::uint16_t>(index + kIndexBytes - 2);
    for (std::uint64_t size = align_up(last + 2u, 8); size <= last + kLongestToken && size <= index; size += 8) {
        std::uint64_t table = index - size;
        bool terminated = true;
        for (std::uint64_t i = 1; terminated && i < kTokens; i++)
            terminated = image.at<std::uint8_t>(table + image.at<std::uint16_t>(index + i * 2) - 1) == 0;
        // The last token ends in the table, and what follows it is padding.
        if (terminated && table + last + image.text(table + last).size() < index
            && align_up(last + image.text(table + last).size() + 1, 8) == size)
            return table;
    }
    return std::nullopt;
}

bool is_token_index(ByteView image, std::uint64_t at)
{
    if (image.at<std::uint16_t>(at) != 0)
        return false;
    for (std::uint64_t i = 1; i < kTokens; i++)
        if (image.at<std::uint16_t>(at + i * 2) <= image.at<std::uint16_t>(at + i * 2 - 2) + 1)
            return false;
    return true;
}

std::vector<std::string_view> read_tokens(ByteView image, std::uint64_t table, std::uint64_t index)
{
    std::vector<std::string_view> tokens;
    for (std::uint64_t i = 0; i < kTokens; i++)
        tokens.push_back(image.text(table + image.at<std::uint16_t>(index + i * 2)));
    return tokens;
}

// One table order that fits the bytes around the tokens; names still unproven.
struct Candidate {
    std::uint32_t count;
    std::uint64_t offsets, relative_base, names, names_limit;
};

// The order up to 6.3: ... offsets, relative_base, num_syms, names ..., searched backwards.
std::vector<Candidate> candidates_before(ByteView image, std::uint64_t table, std::uint64_t base)
{
    std::vector<Candidate> found;
    for (std::uint64_t at = align_down(table, 8); at >= 24; at -= 8) {
        if (image.at<std::uint64_t>(at - 16) != base)
            continue;
        auto count = image.at<std::uint32_t>(at - 8);
        std::uint64_t offsets_bytes = align_up(std::uint64_t{count} * 4, 8);
        if (count >= kFewestSymbols && count <= kMostSymbols && offsets_bytes <= at - 16)
            found.push_back({count, at - 16 - offsets_bytes, at - 16, at, table});
    }
    return found;
}

// The order from 6.4: num_syms, names ... token_index, offsets, relative_base, searched forwards, then back.
std::vector<Candidate> candidates_after(ByteView image, std::uint64_t table, std::uint64_t offsets, std::uint64_t base)
{
    std::vector<Candidate> found;
    for (std::uint64_t at = offsets + kFewestSymbols * 4; image.holds(at, 8) && at - offsets <= kMostSymbols * 4ull; at += 8) {
        if (image.at<std::uint64_t>(at) != base)
            continue;
        auto most = static_cast<std::uint32_t>((at - offsets) / 4);
        for (std::uint64_t names = align_down(table, 8); names >= 8; names -= 8) {
            auto count = image.at<std::uint32_t>(names - 8);
            if (count == most || count + 1 == most)
                found.push_back({count, offsets, at, names, table});
        }
        break;
    }
    return found;
}

// Behind which byte `count` names end, or 0.
std::uint64_t skip_names(ByteView image, const Candidate& candidate)
{
    std::uint64_t at = candidate.names;
    for (std::uint32_t i = 0; i < candidate.count; i++) {
        if (at + 2 > candidate.names_limit)
            return 0;
        std::uint64_t bytes = image.at<std::uint8_t>(at++);
        if (bytes & 0x80)
            bytes = (bytes & 0x7f) | std::uint64_t{image.at<std::uint8_t>(at++)} << 7;
        if (bytes == 0)
            return 0;
        at += bytes;
    }
    return at <= candidate.names_limit ? at : 0;
}

} // namespace

bool Kallsyms::decode_names(ByteView names, ByteView markers, std::uint32_t count, const std::vector<std::string_view>& tokens)
{
    text_.clear();
    std::vector<std::uint64_t> starts;
    starts.reserve(count + 1);
    std::uint64_t at = 0;
    for (std::uint32_t i = 0; i < count; i++) {
        if (i % kNamesPerMarker == 0 && markers.at<std::uint32_t>(i / kNamesPerMarker * 4) != at)
            return false;
        std::uint64_t bytes = names.at<std::uint8_t>(at++);
        if (bytes & 0x80)
            bytes = (bytes & 0x7f) | std::uint64_t{names.at<std::uint8_t>(at++)} << 7;
        starts.push_back(text_.size());
        for (std::byte number : names.sub(at, bytes).span()) {
            std::string_view token = tokens[static_cast<std::uint8_t>(number)];
            text_.insert(text_.end(), token.begin(), token.end());
        }
        if (text_.size() < starts.back() + 2) // type and at least one character
            return false;
        at += bytes;
    }
    starts.push_back(text_.size());
    symbols_.clear();
    symbols_.reserve(count);
    for (std::uint32_t i = 0; i < count; i++)
        symbols_.push_back({0, text_[starts[i]], {text_.data() + starts[i] + 1, starts[i + 1] - starts[i] - 1}});
    return true;
}

std::optional<Kallsyms> Kallsyms::decode(const ElfImage& elf)
try {
    const std::uint64_t base = elf.text_virt();
    for (const ElfImage::Segment& segment : elf.segments()) {
        ByteView image = segment.contents;
        for (std::uint64_t index = 0; image.holds(index, kIndexBytes); index += 8) {
            if (!is_token_index(image, index))
                continue;
            std::optional<std::uint64_t> table = token_table_before(image, index);
            if (!table)
                continue;
            std::vector<std::string_view> tokens = read_tokens(image, *table, index);
            std::vector<Candidate> candidates = candidates_after(image, *table, index + kIndexBytes, base);
            std::ranges::copy(candidates_before(image, *table, base), std::back_inserter(candidates));
            for (const Candidate& candidate : candidates) {
                std::uint64_t names_end = skip_names(image, candidate);
                std::uint64_t markers = align_up(names_end, 8);
                std::uint64_t markers_bytes = (std::uint64_t{candidate.count} + kNamesPerMarker - 1) / kNamesPerMarker * 4;
                Kallsyms result;
                if (names_end == 0 || markers + markers_bytes > *table
                    || !result.decode_names(image.sub(candidate.names, names_end - candidate.names),
                                            image.sub(markers, markers_bytes), candidate.count, tokens))
                    continue;
                // With KALLSYMS_ABSOLUTE_PERCPU (all of x86 SMP) a negative offset counts from the base, any other is absolute.
                for (std::uint32_t i = 0; i < candidate.count; i++) {
                    std::int64_t offset = image.at<std::int32_t>(candidate.offsets + i * 4ull);
                    result.symbols_[i].address = offset >= 0 ? static_cast<std::uint64_t>(offset) : base - 1 - static_cast<std::uint64_t>(offset);
                }
                result.by_name_ = result.symbols_;
                std::ranges::stable_sort(result.by_name_, {}, &Symbol::name);
                return result;
            }
        }
    }
    return std::nullopt;
} catch (const std::out_of_range&) {
    return std::nullopt; // tables that point outside the image are none
}

std::span<const Kallsyms::Symbol> Kallsyms::named(std::string_view name) const
{
    auto first = std::ranges::lower_bound(by_name_, name, {}, &Symbol::name);
    auto last = std::ranges::upper_bound(by_name_, name, {}, &Symbol::name);
    return {first, last};
}

std::optional<std::uint64_t> Kallsyms::address(std::string_view name) const
{
    auto found = named(name);
    return found.empty() ? std::nullopt : std::optional{found.front().address};
}

} // namespace colinux
