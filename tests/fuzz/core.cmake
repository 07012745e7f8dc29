# SPDX-License-Identifier: GPL-2.0
# The driver's core over a fake host: requests in any order, from a hostile process and a hostile guest.
colinux_fuzz_target(fuzz_requests SOURCES fuzz_requests.cpp LIBRARIES colinux_core_for_tests colinux_fake_host)
