// SPDX-License-Identifier: GPL-2.0
// Messages of 9P2000.L as bytes: numbers are little endian, a string has a u16 of length before it. Linux' net/9p and its documentation of the
// protocol are the reference.
#pragma once

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>

namespace colinux {

enum class NinepType : std::uint8_t { // of a request; its answer's is one more
    Error = 6, // Rlerror is 7
    Statfs = 8, Open = 12, Create = 14, Symlink = 16, Mknod = 18, Readlink = 22, Getattr = 24, Setattr = 26, Xattrwalk = 30, Readdir = 40, Fsync = 50,
    Lock = 52, Getlock = 54, Link = 70, Mkdir = 72, Renameat = 74, Unlinkat = 76, Version = 100, Attach = 104, Flush = 108, Walk = 110, Read = 116,
    Write = 118, Clunk = 120,
};

inline constexpr std::size_t kNinepHeader = 7;      // u32 size of the whole, u8 type, u16 tag
inline constexpr std::size_t kNinepReadHeader = 11; // of an answer with data: u32 count behind it

// A message that ends too early or has more than belongs in it.
struct NinepDamage : std::runtime_error {
    NinepDamage() : std::runtime_error{"a damaged message"} {}
};

class NinepReader {
public:
    explicit NinepReader(std::string_view bytes) : bytes_{bytes} {}

    std::uint8_t u8() { return number<std::uint8_t>(); }
    std::uint16_t u16() { return number<std::uint16_t>(); }
    std::uint32_t u32() { return number<std::uint32_t>(); }
    std::uint64_t u64() { return number<std::uint64_t>(); }
    std::string text() { return std::string{take(u16())}; }
    std::string_view take(std::size_t count)
    {
        if (count > bytes_.size())
            throw NinepDamage{};
        std::string_view taken = bytes_.substr(0, count);
        bytes_.remove_prefix(count);
        return taken;
    }

private:
    template <typename T>
    T number()
    {
        T value;
        std::memcpy(&value, take(sizeof value).data(), sizeof value);
        return value;
    }

    std::string_view bytes_;
};

class NinepWriter {
public:
    NinepWriter(std::uint8_t type, std::uint16_t tag) : bytes_(4, '\0') { u8(type).u16(tag); }

    NinepWriter& u8(std::uint8_t value) { return number(value); }
    NinepWriter& u16(std::uint16_t value) { return number(value); }
    NinepWriter& u32(std::uint32_t value) { return number(value); }
    NinepWriter& u64(std::uint64_t value) { return number(value); }
    NinepWriter& text(std::string_view value)
    {
        u16(static_cast<std::uint16_t>(value.size()));
        bytes_ += value;
        return *this;
    }
    std::size_t size() const { return bytes_.size(); }
    std::string& bytes() { return bytes_; }
    std::string finish() // with its size in front
    {
        auto size = static_cast<std::uint32_t>(bytes_.size());
        std::memcpy(bytes_.data(), &size, sizeof size);
        return std::move(bytes_);
    }

private:
    template <typename T>
    NinepWriter& number(T value)
    {
        bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
        return *this;
    }

    std::string bytes_;
};

} // namespace colinux
