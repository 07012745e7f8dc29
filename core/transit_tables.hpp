// SPDX-License-Identifier: GPL-2.0
// TransitTables: the small set of page tables that is in force for a moment in the middle of a world
// switch. It maps the passage's code and data pages at their host and at their guest addresses, as deep
// (4 or 5 levels) as the host's tables, since the depth cannot change in long mode. One per vCPU.
#pragma once

#include "base/address.hpp"
#include "base/result.hpp"
#include "core/frame_counter.hpp"

namespace colinux {

class TransitTables {
public:
    enum class Access { ReadExecute, ReadWrite };

    explicit TransitTables(FrameCounter& counter) : counter_{counter} {}
    ~TransitTables();
    TransitTables(const TransitTables&) = delete;
    TransitTables& operator=(const TransitTables&) = delete;

    // `levels`: 4 or 5. Errors: NoMemory; what was made is freed by the destructor.
    Result<void> create(unsigned levels);
    // Map one 4 KiB page. Errors: NoMemory; Exists when another frame is mapped there.
    Result<void> map(std::uint64_t virt, Phys frame, Access access);
    Phys root() const { return root_; }

private:
    Result<Phys> make_table();

    static constexpr unsigned kMaxTables = 24;
    FrameCounter& counter_;
    Phys tables_[kMaxTables]{};
    unsigned table_count_{};
    unsigned levels_{};
    Phys root_{};
};

} // namespace colinux
