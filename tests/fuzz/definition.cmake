# SPDX-License-Identifier: GPL-2.0
colinux_fuzz_target(fuzz_definition SOURCES fuzz_definition.cpp LIBRARIES colinux_cli)
