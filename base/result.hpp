// SPDX-License-Identifier: GPL-2.0
// Result<T>: a value or an Error, for code that has no exceptions. TRY(expression) yields the value or
// returns the error to the caller. Cheap by design: no heap, no virtual calls, trivially inlined.
#pragma once

#include "base/error.hpp"

#include <type_traits>

namespace colinux {

template <typename T>
class [[nodiscard]] Result {
    static_assert(std::is_trivially_copyable_v<T>, "ring 0 results are plain values or pointers");

public:
    Result(T value) : value_{value}, ok_{true} {}
    Result(Error error) : error_{error}, ok_{false} {}

    explicit operator bool() const { return ok_; }
    T value() const { return value_; }
    Error error() const { return error_; }

private:
    union {
        T value_;
        Error error_;
    };
    bool ok_;
};

template <>
class [[nodiscard]] Result<void> {
public:
    Result() : ok_{true} {}
    Result(Error error) : error_{error}, ok_{false} {}

    explicit operator bool() const { return ok_; }
    void value() const {}
    Error error() const { return error_; }

private:
    Error error_{};
    bool ok_;
};

} // namespace colinux

#define TRY(expression)                        \
    ({                                         \
        auto try_result_ = (expression);       \
        if (!try_result_)                      \
            return try_result_.error();        \
        try_result_.value();                   \
    })
