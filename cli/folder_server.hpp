// SPDX-License-Identifier: GPL-2.0
// FolderServer: shows one folder of this host to a guest that mounts it with Linux' 9p client, over any stream (9P2000.L). The guest is not
// trusted: it can name nothing outside the folder (no "..", no slash, no symbolic link is followed here), opens regular files and folders only, and
// changes nothing unless the folder was given to be written. Each thing that it holds costs this process a descriptor, of which there is a limit.
#pragma once

#include "cli/ninep_message.hpp"
#include "control/unique_fd.hpp"

#include <sys/stat.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace colinux {

class FolderServer {
public:
    // Failure: Usage, it is no folder.
    FolderServer(const std::string& folder, bool writable);

    // Answers what comes on `stream` until that ends, or what comes is no such message. Throws nothing: it is a thread's all.
    void serve(int stream) noexcept;

    // One request without its size; the answer, with its size. Throws NinepDamage.
    std::string answer(std::string_view request);

private:
    struct Fid { // what the guest has a handle of
        UniqueFd place; // O_PATH
        UniqueFd open;  // once it is opened
        std::uint64_t position{}; // in an open folder
        std::uint32_t user{};
    };
    using Request = NinepReader;
    using Answer = NinepWriter;

    Fid& fid(std::uint32_t number);
    int open_file(std::uint32_t number);
    void put_qid(Answer& answer, const struct stat& status) const;
    void put_qid_of(Answer& answer, int place) const;
    std::uint64_t id_of(dev_t device, ino_t inode) const;
    void handle(NinepType type, Request& request, Answer& answer);
    bool look(NinepType type, Request& request, Answer& answer);
    bool change(NinepType type, Request& request, Answer& answer);

    void start(Request& request, Answer& answer);
    void attach(Request& request, Answer& answer);
    void walk(Request& request, Answer& answer);
    void open_fid(Request& request, Answer& answer);
    void get_attributes(Request& request, Answer& answer);
    void read_bytes(Request& request, Answer& answer);
    void read_folder(Request& request, Answer& answer);
    void read_link(Request& request, Answer& answer);
    void file_system(Request& request, Answer& answer);
    void test_lock(Request& request, Answer& answer);

    // folder_server_changes.cpp
    void create(Request& request, Answer& answer);
    void make_folder(Request& request, Answer& answer);
    void make_link(Request& request, Answer& answer);
    void make_node(Request& request, Answer& answer);
    void set_attributes(Request& request);
    void write_bytes(Request& request, Answer& answer);
    void give(Fid& folder, const std::string& name, std::uint32_t group, Answer& answer); // to its owner, and names it

    UniqueFd root_;
    dev_t device_{};
    bool writable_;
    std::uint32_t message_bytes_;
    std::map<std::uint32_t, Fid> fids_;
};

// For names that are looked up in a folder. Throws std::system_error.
const std::string& checked_name(const std::string& name);
[[noreturn]] void ninep_error(int error);

} // namespace colinux
