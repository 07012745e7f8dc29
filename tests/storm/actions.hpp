// SPDX-License-Identifier: GPL-2.0
// What a process of the storm does in one step; each picks its object and its arguments by dice.
#pragma once

#include "tiny_guest.hpp"

namespace storm {

void random_ioctl(Objects& objects);
void open_something(Objects& objects);
void make_map(Objects& objects);
void change_map(Objects& objects);
void touch_map(Objects& objects);
void direct_io(Objects& objects, int disk); // between guest RAM and a disk, or a pipe that keeps the pages
void pass_descriptor(Objects& objects, int socket);
void fork_with_maps(Objects& objects);
void plain_file_calls(Objects& objects);
// Threads at once on one guest: several CO_RUN of one vCPU, new vCPUs, another passage, closes
void race(Objects& objects, const Image& image);

} // namespace storm
