// SPDX-License-Identifier: GPL-2.0
// A guest as a service of systemd's: the instance NAME of the unit template colinux@.service (docs/service.md).
#pragma once

#include <string>
#include <vector>

namespace colinux {

// Where systemd has what; tests have folders of their own.
struct SystemdFolders {
    std::string running{"/run/systemd/system"}; // is there where systemd is process 1
    std::string admin{"/etc/systemd/system"};
    std::vector<std::string> packaged{"/lib/systemd/system", "/usr/lib/systemd/system"};
};

// The guest `name` is started at each boot; `now`: and at once. The template is written where no package brought it.
// Failure: as DefinitionStore::load(), ServiceUnfit, NotRoot, NotSaved.
void install_service(const std::string& name, bool now, const SystemdFolders& systemd = {});

// No more; `now`: it is also stopped. A template that install_service() wrote goes with the last. Failure: NameUnknown, ServiceUnfit.
void remove_service(const std::string& name, bool now, const SystemdFolders& systemd = {});

bool has_service(const std::string& name, const SystemdFolders& systemd = {});

// Failure: ServiceUnfit where the guest is a service. `what`: what is not done with such a one.
void refuse_service(const std::string& name, const char* what, const SystemdFolders& systemd = {});

} // namespace colinux
