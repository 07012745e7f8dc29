# SPDX-License-Identifier: GPL-2.0
# What colinux-agent reads from its connection.
colinux_fuzz_target(fuzz_agent SOURCES fuzz_agent.cpp LIBRARIES colinux_agent)
