// SPDX-License-Identifier: GPL-2.0
#include "vmm/devices/disk_overlay.hpp"

#include "control/failure.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>

namespace colinux {

namespace {

constexpr std::uint64_t kSector = 512, kWord = 64;

std::uint64_t bytes_in(std::span<const iovec> pieces)
{
    std::uint64_t bytes = 0;
    for (const iovec& piece : pieces)
        bytes += piece.iov_len;
    return bytes;
}

std::uint64_t* zeroed_words(std::uint64_t count)
{
    void* words = std::calloc(count, sizeof(std::uint64_t));
    if (!words)
        throw std::bad_alloc{};
    return static_cast<std::uint64_t*>(words);
}

UniqueFd readable_when_either(int one, int other)
{
    if (one < 0 || other < 0)
        return UniqueFd{};
    UniqueFd both{epoll_create1(EPOLL_CLOEXEC)};
    for (int fd : {one, other}) {
        epoll_event event{};
        event.events = EPOLLIN;
        if (epoll_ctl(both.get(), EPOLL_CTL_ADD, fd, &event) != 0)
            return UniqueFd{};
    }
    return both;
}

} // namespace

DiskOverlay::DiskOverlay(const DiskFile& base, unsigned depth, DiskEngine engine, Notice notice, DiskFile written)
    : base_{base},
      written_{std::move(written)},
      from_base_{make_disk_io(base_.fd(), depth, engine)},
      from_written_{make_disk_io(written_.fd(), depth, engine)},
      ready_{readable_when_either(from_base_->ready_fd(), from_written_->ready_fd())},
      bits_{zeroed_words(base.bytes() / kSector / kWord + 1), std::free},
      cut_(depth),
      writes_(depth),
      notice_{std::move(notice)}
{
    if (ready_)
        return;
    from_base_ = make_disk_io(base_.fd(), depth, DiskEngine::Synchronous);
    from_written_ = make_disk_io(written_.fd(), depth, DiskEngine::Synchronous);
}

DiskOverlay::Run DiskOverlay::run_at(std::uint64_t offset, std::uint64_t bytes) const
{
    std::uint64_t first = offset / kSector, end = first + bytes / kSector, at = first;
    bool written = bits_[first / kWord] >> first % kWord & 1;
    while (at < end) {
        std::uint64_t rest = (written ? ~bits_[at / kWord] : bits_[at / kWord]) >> at % kWord; // its ones are of the other kind
        if (rest) {
            at += static_cast<std::uint64_t>(std::countr_zero(rest));
            break;
        }
        at = (at / kWord + 1) * kWord;
    }
    return {written, (std::min(at, end) - first) * kSector};
}

void DiskOverlay::mark(std::uint64_t offset, std::uint64_t bytes)
{
    for (std::uint64_t at = offset / kSector, end = at + bytes / kSector; at < end;) {
        std::uint64_t count = std::min(kWord - at % kWord, end - at);
        bits_[at / kWord] |= (count == kWord ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1) << at % kWord;
        at += count;
    }
}

void DiskOverlay::read(std::uint32_t tag, std::span<const iovec> pieces, std::uint64_t offset)
{
    std::uint64_t from = offset - base_.start();
    Run run = run_at(from, bytes_in(pieces));
    std::vector<iovec>& cut = cut_[tag];
    cut.clear();
    for (std::uint64_t left = run.bytes; left > 0; pieces = pieces.subspan(1)) {
        cut.push_back({pieces[0].iov_base, std::min<std::size_t>(pieces[0].iov_len, left)});
        left -= cut.back().iov_len;
    }
    writes_[tag].under_way = false;
    base_under_way_ += !run.written;
    if (run.written)
        from_written_->read(tag, cut, from);
    else
        from_base_->read(tag, cut, offset);
}

void DiskOverlay::write(std::uint32_t tag, std::span<const iovec> pieces, std::uint64_t offset, bool)
{
    writes_[tag] = {offset - base_.start(), true};
    from_written_->write(tag, pieces, offset - base_.start(), false);
}

void DiskOverlay::flush(std::uint32_t tag) { done_.push_back({tag, 0}); }

void DiskOverlay::submit()
{
    from_base_->submit();
    from_written_->submit();
}

// A sector is in the overlay when it is there whole: what could not be written stays as it was.
void DiskOverlay::settle(Completion& done)
{
    Write& write = writes_[done.tag];
    if (!write.under_way)
        return;
    write.under_way = false;
    if (done.result > 0) {
        std::int64_t whole = done.result - done.result % static_cast<std::int64_t>(kSector);
        done.result = whole ? whole : -ENOSPC;
        mark(write.offset, static_cast<std::uint64_t>(whole));
    }
    if (done.result < 0 && done.result != -EINTR && done.result != -EAGAIN && notice_)
        std::exchange(notice_, nullptr)(std::string{"what it writes to a snapshot cannot be kept: "} + std::strerror(static_cast<int>(-done.result)) +
                                        "; it gets I/O errors (TMPDIR says where a snapshot's file lies)");
}

bool DiskOverlay::next(Completion& done)
{
    if (!done_.empty()) {
        done = done_.front();
        done_.pop_front();
        return true;
    }
    if (from_base_->next(done)) {
        base_under_way_--;
        return true;
    }
    if (!from_written_->next(done))
        return false;
    settle(done);
    return true;
}

void DiskOverlay::wait()
{
    if (!done_.empty())
        return;
    (base_under_way_ ? from_base_ : from_written_)->wait();
}

int DiskOverlay::discard(std::uint64_t offset, std::uint64_t bytes) const { return written_.discard(offset, bytes); }

int DiskOverlay::write_zeroes(std::uint64_t offset, std::uint64_t bytes)
{
    int error = written_.write_zeroes(offset, bytes, true);
    if (!error)
        mark(offset, bytes);
    return error;
}

} // namespace colinux
