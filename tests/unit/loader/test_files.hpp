// SPDX-License-Identifier: GPL-2.0
// What several loader tests need: the compiled test graft, changed copies of it, and the error that a call throws.
#pragma once

#include "control/failure.hpp"
#include "vmm/loader/graft_object.hpp"
#include "vmm/loader/kernel_file.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace colinux::testing {

using Bytes = std::vector<std::byte>;

inline Bytes bytes_of(ByteView view) { return {view.span().begin(), view.span().end()}; }

// The first `from` in `bytes` becomes `to`, which has as many characters.
inline Bytes with_text(Bytes bytes, std::string_view from, std::string_view to)
{
    auto as_byte = [](char c) { return static_cast<std::byte>(c); };
    Bytes wanted(from.size());
    std::ranges::transform(from, wanted.begin(), as_byte);
    std::ranges::transform(to, std::search(bytes.begin(), bytes.end(), wanted.begin(), wanted.end()), as_byte);
    return bytes;
}

// Bytes of test_graft.c compiled for `release`.
inline Bytes graft_bytes(std::string release, const char* file = TEST_GRAFT)
{
    constexpr std::string_view kPlace = "RELEASE________________________________";
    release.resize(kPlace.size(), ' ');
    return with_text(read_whole_file(file, "test graft", ExitCode::NoGraft), kPlace, release);
}

// The Failure that `call` throws; fails the test by its code Success when it throws none.
template <typename Call>
Failure failure_of(Call call)
{
    try {
        call();
    } catch (const Failure& failure) {
        return failure;
    }
    return {ExitCode::Success, "nothing was thrown"};
}

inline bool mentions(const Failure& failure, std::string_view text)
{
    return std::string_view{failure.what()}.find(text) != std::string_view::npos;
}

} // namespace colinux::testing
