// SPDX-License-Identifier: GPL-2.0
// nearest(): what somebody who typed `word` may have meant.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace colinux {

// The candidate that is fewest letters away (inserted, left out, wrong); empty when none is near enough to be meant.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

} // namespace colinux
