// SPDX-License-Identifier: GPL-2.0
#include "actions.hpp"

#include <array>
#include <csignal>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>

namespace storm {

namespace {

struct Racer {
    Objects& objects; // only made() of it: the rest belongs to the main thread
    TinyGuest tiny;
    Dice dice;
    std::atomic<bool>& over;
    std::atomic<bool> done{false};

    void run_vcpu()
    {
        for (unsigned i = 0; i < 3 && !over; ++i) {
            objects.tally.runs.fetch_add(1, std::memory_order_relaxed);
            objects.made(ioctl(tiny.vcpu, CO_RUN, 0));
        }
    }

    void disturb()
    {
        co_set_passage elsewhere{};
        co_vcpu_entry refused{};
        refused.cr3 = 1;
        co_guest_stats stats;
        for (unsigned i = 0; i < 12; ++i) {
            switch (dice.below(7)) {
            case 0:
                objects.made(ioctl(tiny.guest, CO_SET_PASSAGE, &elsewhere));
                break;
            case 1: { // one that is never started: a run of it sleeps until a signal
                int other = objects.made(ioctl(tiny.guest, CO_CREATE_VCPU, dice.below(3)));
                if (other >= 0)
                    objects.made(close(other));
                break;
            }
            case 2:
                objects.made(ioctl(tiny.vcpu, CO_SET_ENTRY, &refused));
                break;
            case 3:
                objects.made(ioctl(tiny.guest, CO_GET_GUEST_STATS, &stats));
                break;
            case 4:
                objects.made(ioctl(tiny.guest, CO_REQUEST_STOP, 0));
                break;
            case 5:
                raise_line();
                break;
            default:
                if (dice.one_in(4))
                    objects.made(close(dup(tiny.vcpu)));
            }
        }
    }

    void raise_line()
    {
        int event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        co_bind_irq_line line{static_cast<co_u32>(dice.below(4)), 0, event};
        objects.made(ioctl(tiny.guest, CO_BIND_IRQ_LINE, &line));
        objects.made(eventfd_write(event, 1));
        close(event); // the line outlives it
    }
};

} // namespace

void race(Objects& objects, const Image& image)
{
    int device = objects.some(Kind::Device);
    if (device < 0)
        return;
    TinyGuest tiny = make_tiny_guest(objects, device, image);
    if (tiny.guest < 0)
        return;
    std::atomic<bool> over{false};
    std::array<Racer, 3> racers{Racer{objects, tiny, Dice{objects.dice.next()}, over, {}},
                                Racer{objects, tiny, Dice{objects.dice.next()}, over, {}},
                                Racer{objects, tiny, Dice{objects.dice.next()}, over, {}}};
    std::array<std::thread, 3> threads;
    for (std::size_t i = 0; i < racers.size(); ++i) {
        threads[i] = std::thread{[&racer = racers[i], runs = i != 2] {
            runs ? racer.run_vcpu() : racer.disturb();
            racer.done = true;
        }};
    }
    // Half of the time the descriptors go while the others are inside; the files live on in their calls
    if (objects.dice.one_in(2)) {
        objects.made(close(tiny.guest));
        objects.made(close(tiny.vcpu));
    } else {
        objects.keep(tiny.guest, Kind::Guest);
        objects.keep(tiny.vcpu, Kind::Vcpu);
    }
    over = true;
    for (std::size_t i = 0; i < racers.size(); ++i) {
        while (!racers[i].done) {
            pthread_kill(threads[i].native_handle(), SIGALRM);
            usleep(1000);
        }
        threads[i].join();
    }
}

} // namespace storm
