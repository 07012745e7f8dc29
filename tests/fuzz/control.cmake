# SPDX-License-Identifier: GPL-2.0
colinux_fuzz_target(fuzz_config SOURCES fuzz_config.cpp LIBRARIES colinux_control)
colinux_fuzz_target(fuzz_control SOURCES fuzz_control.cpp LIBRARIES colinux_control)
