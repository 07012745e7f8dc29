// SPDX-License-Identifier: GPL-2.0
// Modules of a kernel that is not installed: found by name below a folder, be it a build tree or one of /lib/modules.
#include "cli/kernel_source.hpp"
#include "control/failure.hpp"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <sstream>

namespace colinux {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kLargest = 64 << 20;

// As the kernel calls it; empty: it is none.
std::string name_of(const fs::path& file)
{
    std::string name = file.filename();
    std::size_t end = name.find(".ko");
    if (end == std::string::npos || (end + 3 != name.size() && name[end + 3] != '.'))
        return "";
    name.resize(end);
    std::ranges::replace(name, '-', '_');
    return name;
}

std::map<std::string, fs::path> files_below(const fs::path& folder)
{
    std::map<std::string, fs::path> found;
    std::error_code error;
    for (auto entry = fs::recursive_directory_iterator{folder, fs::directory_options::skip_permission_denied, error}; entry != fs::recursive_directory_iterator{};
         entry.increment(error)) {
        if (error)
            break;
        if (std::string name = name_of(entry->path()); !name.empty() && entry->is_regular_file(error))
            found.emplace(name, entry->path());
    }
    return found;
}

std::string unpacked(const fs::path& file)
{
    std::unique_ptr<archive, decltype(&archive_read_free)> reader{archive_read_new(), archive_read_free};
    archive_read_support_filter_all(reader.get());
    archive_read_support_format_raw(reader.get());
    archive_entry* entry;
    std::string content;
    ssize_t count = -1;
    if (archive_read_open_filename(reader.get(), file.c_str(), 1 << 16) == ARCHIVE_OK && archive_read_next_header(reader.get(), &entry) == ARCHIVE_OK) {
        char bytes[65536];
        while ((count = archive_read_data(reader.get(), bytes, sizeof bytes)) > 0 && content.size() < kLargest)
            content.append(bytes, static_cast<std::size_t>(count));
    }
    if (count != 0 || !content.starts_with("\177ELF"))
        throw Failure{ExitCode::KernelDamaged, "module " + file.string() + " cannot be read, or is none"};
    return content;
}

// Its .modinfo says it as "depends=a,b".
std::vector<std::string> needs_of(std::string_view content)
{
    std::vector<std::string> needs;
    constexpr std::string_view kKey{"\0depends=", 9};
    std::size_t at = content.find(kKey);
    if (at == std::string_view::npos)
        return needs;
    std::string_view rest = content.substr(at + kKey.size());
    std::istringstream list{std::string{rest.substr(0, rest.find('\0'))}};
    for (std::string name; std::getline(list, name, ',');) {
        std::ranges::replace(name, '-', '_');
        needs.push_back(name);
    }
    return needs;
}

using Files = std::map<std::string, fs::path>;

void add(const std::string& name, const Files& files, std::set<std::string>& seen, std::vector<KernelModule>& loaded)
{
    auto file = files.find(name);
    if (file == files.end() || !seen.insert(name).second)
        return;
    std::string content = unpacked(file->second);
    for (const std::string& need : needs_of(content))
        add(need, files, seen, loaded);
    loaded.push_back({name, std::move(content)});
}

} // namespace

std::vector<KernelModule> load_modules(const fs::path& modules, const std::vector<std::string>& wanted)
{
    std::vector<KernelModule> loaded;
    if (wanted.empty() || modules.empty())
        return loaded;
    Files files = files_below(modules);
    std::set<std::string> seen;
    for (const std::string& name : wanted)
        add(name, files, seen, loaded);
    return loaded;
}

} // namespace colinux
