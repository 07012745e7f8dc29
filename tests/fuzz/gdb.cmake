# SPDX-License-Identifier: GPL-2.0
colinux_fuzz_target(fuzz_gdb SOURCES fuzz_gdb.cpp LIBRARIES colinux_gdb)
