// SPDX-License-Identifier: GPL-2.0
// `colinux logs -f`, for who starts a guest and shows no console.
#pragma once

#include <string>

namespace colinux {

// Prints what a running guest has printed and prints, until it ends or nobody reads. Throws nothing: it is a thread's all.
void follow_log(const std::string& name) noexcept;

} // namespace colinux
