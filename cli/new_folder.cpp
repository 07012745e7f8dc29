// SPDX-License-Identifier: GPL-2.0
#include "cli/new_folder.hpp"

#include "control/failure.hpp"

#include <filesystem>

namespace colinux {

namespace fs = std::filesystem;

NewFolder::NewFolder(std::string path) : path_{std::move(path)}
{
    std::error_code error;
    fs::create_directories(fs::path{path_}.parent_path(), error);
    if (!error && !fs::create_directory(path_, error) && !error)
        error = std::make_error_code(std::errc::file_exists);
    if (error)
        throw Failure{ExitCode::NotSaved, path_ + ": " + error.message()};
    fs::permissions(path_, fs::perms::owner_all);
}

NewFolder::~NewFolder()
{
    std::error_code error;
    if (!kept_)
        fs::remove_all(path_, error);
}

} // namespace colinux
