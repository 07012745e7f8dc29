# SPDX-License-Identifier: GPL-2.0
# Virtqueues and devices.
foreach(name virtqueue block net console vsock)
    colinux_fuzz_target(fuzz_${name} SOURCES fuzz_${name}.cpp LIBRARIES colinux_devices)
endforeach()
