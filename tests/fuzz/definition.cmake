# SPDX-License-Identifier: GPL-2.0
colinux_fuzz_target(fuzz_definition SOURCES fuzz_definition.cpp LIBRARIES colinux_cli)
colinux_fuzz_target(fuzz_original SOURCES fuzz_original.cpp LIBRARIES colinux_cli)
colinux_fuzz_target(fuzz_folder SOURCES fuzz_folder.cpp LIBRARIES colinux_cli)
