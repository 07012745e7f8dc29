// SPDX-License-Identifier: GPL-2.0
// ByteView: a read-only range of bytes that nobody has checked yet (a kernel file, an object file). Every
// access states its range and throws std::out_of_range when it does not fit; whoever opened the
// file turns that into a Failure that names the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string_view>
#include <type_traits>

namespace colinux {

class ByteView {
public:
    ByteView() = default;
    ByteView(std::span<const std::byte> bytes) : bytes_{bytes} {}

    std::uint64_t size() const { return bytes_.size(); }
    const std::byte* data() const { return bytes_.data(); }
    std::span<const std::byte> span() const { return bytes_; }

    bool holds(std::uint64_t offset, std::uint64_t bytes) const { return offset <= size() && bytes <= size() - offset; }

    ByteView sub(std::uint64_t offset, std::uint64_t bytes) const
    {
        if (!holds(offset, bytes))
            throw std::out_of_range{"a reference points outside the file"};
        return bytes_.subspan(offset, bytes);
    }

    // A little-endian object at any alignment.
    template <typename T>
    T at(std::uint64_t offset) const
    {
        static_assert(std::is_trivially_copyable_v<T>);
        T value;
        std::memcpy(&value, sub(offset, sizeof(T)).data(), sizeof(T));
        return value;
    }

    // The NUL-terminated string at `offset`, without its NUL.
    std::string_view text(std::uint64_t offset) const
    {
        ByteView rest = sub(offset, holds(offset, 0) ? size() - offset : 0);
        std::string_view all{reinterpret_cast<const char*>(rest.data()), rest.size()};
        std::size_t end = all.find('\0');
        if (end == std::string_view::npos)
            throw std::out_of_range{"a string runs past the end of the file"};
        return all.substr(0, end);
    }

private:
    std::span<const std::byte> bytes_;
};

} // namespace colinux
