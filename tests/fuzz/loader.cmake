# SPDX-License-Identifier: GPL-2.0
# The loader's parsers of files that nobody has checked: kernels and graft objects.
colinux_fuzz_target(fuzz_bzimage SOURCES fuzz_bzimage.cpp LIBRARIES colinux_loader)
colinux_fuzz_target(fuzz_kallsyms SOURCES fuzz_kallsyms.cpp LIBRARIES colinux_loader)
colinux_fuzz_target(fuzz_btf SOURCES fuzz_btf.cpp LIBRARIES colinux_loader)
colinux_fuzz_target(fuzz_graft_linker SOURCES fuzz_graft_linker.cpp LIBRARIES colinux_loader)
