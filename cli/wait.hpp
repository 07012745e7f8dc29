// SPDX-License-Identifier: GPL-2.0
#pragma once

namespace CLI {
class App;
}

namespace colinux {

void add_wait(CLI::App& app, int& exit_code);

} // namespace colinux
