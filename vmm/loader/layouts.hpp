// SPDX-License-Identifier: GPL-2.0
// The proof, before boot, that a graft was built for the data layout of this kernel image: release and
// every struct member and constant that it states are compared with the image's own type information.
#pragma once

#include "vmm/loader/graft_object.hpp"
#include "vmm/loader/kernel_image.hpp"

namespace colinux {

// Failure NoGraft that names the first difference.
void verify_layouts(const KernelImage& kernel, const GraftObject& graft);

} // namespace colinux
