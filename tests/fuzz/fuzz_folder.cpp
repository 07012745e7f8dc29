// SPDX-License-Identifier: GPL-2.0
// Any bytes as a guest's requests to a folder of the host's: the first says whether it may write there, then come a byte with its length, and a
// request of 9P2000.L, one behind the other. Nothing beside the folder may change, nor anything in it that is only shown.
#include "cli/folder_server.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

using namespace colinux;
namespace fs = std::filesystem;

namespace {

void write(const fs::path& file, const char* text) { std::ofstream{file} << text; }

std::string content(const fs::path& file)
{
    std::ostringstream text;
    text << std::ifstream{file}.rdbuf();
    return text.str();
}

class Folder {
public:
    Folder()
    {
        char path[] = "/tmp/colinux-fuzz-XXXXXX";
        outside_ = mkdtemp(path);
        fs::create_directories(shown() / "sub");
        write(outside_ / "secret", "secret");
        write(shown() / "f", "content");
        fs::create_symlink("../secret", shown() / "l");
        made_ = fs::last_write_time(shown());
    }
    ~Folder() { fs::remove_all(outside_); }

    fs::path shown() const { return outside_ / "shown"; }
    bool outside_is_as_it_was() const
    {
        return std::distance(fs::directory_iterator{outside_}, {}) == 2 && content(outside_ / "secret") == "secret" && fs::hard_link_count(outside_ / "secret") == 1;
    }
    bool inside_is_as_it_was() const
    {
        return fs::last_write_time(shown()) == made_ && std::distance(fs::recursive_directory_iterator{shown()}, {}) == 3 && content(shown() / "f") == "content";
    }

private:
    fs::path outside_;
    fs::file_time_type made_;
};

void limit_files()
{
    constexpr rlimit kBytes{1 << 20, 1 << 20};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &kBytes);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes)
{
    [[maybe_unused]] static const bool limited = (limit_files(), true);
    if (bytes == 0)
        return 0;
    bool writable = data[0] & 1;
    Folder folder;
    {
        FolderServer server{folder.shown(), writable};
        try {
            for (std::size_t at = 1; at + 1 < bytes;) {
                std::size_t length = std::min<std::size_t>(data[at], bytes - at - 1);
                server.answer({reinterpret_cast<const char*>(data + at + 1), length});
                at += 1 + length;
            }
        } catch (const NinepDamage&) {
            // the stream ends: as it should be
        }
    }
    if (!folder.outside_is_as_it_was() || (!writable && !folder.inside_is_as_it_was()))
        abort();
    return 0;
}
