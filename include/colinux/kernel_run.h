/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What `colinux kernel run` on the host and the init of its guest (guest/kernel_init) say to each other. docs/kernel-developers.md
 * is the description.
 *
 * The init's initramfs holds CO_KERNEL_RUN_FOLDERS: one line per folder of the host's, "ro PATH" or "rw PATH", the root ("ro /") first,
 * and CO_KERNEL_RUN_MODULES, a folder with modules to be loaded. The init listens on a vsock port. The host connects once for each
 * folder and once more, and says in two bytes what for: a kind, and the folder's line, from 0 on.
 *
 *   CO_KERNEL_RUN_FOLDER   9P2000.L follows, the host is the server
 *   CO_KERNEL_RUN_LIFE     the guest says one line: "ready", when its agent (include/colinux/agent.h) runs in the new root, or what stands in
 *                          the way. When the host closes it, the guest powers off
 */
#ifndef COLINUX_KERNEL_RUN_H
#define COLINUX_KERNEL_RUN_H

#define CO_KERNEL_RUN_PORT 1023 /* no unprivileged program of the guest can listen there */
#define CO_KERNEL_RUN_FOLDERS "/folders"
#define CO_KERNEL_RUN_MODULES "/modules"
#define CO_KERNEL_RUN_AGENT "/colinux-agent"

#define CO_KERNEL_RUN_MAX_FOLDERS 16 /* each is a stream of the guest's vsock device */
#define CO_KERNEL_RUN_FOLDER 'F'
#define CO_KERNEL_RUN_LIFE 'L'
#define CO_KERNEL_RUN_READY "ready"

#define CO_KERNEL_RUN_MESSAGE_BYTES (128 * 1024) /* the largest message of 9P2000.L */

#endif
