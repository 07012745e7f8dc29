/* SPDX-License-Identifier: GPL-2.0 */
/* What world_switch.S tells objtool: found before the core's empty header of the same name. */
#include <linux/linkage.h>
#include <linux/version.h>
#include <asm/nospec-branch.h>
#include <asm/unwind_hints.h>
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
#define CO_UNWIND_HINT UNWIND_HINT_UNDEFINED
#else
#define CO_UNWIND_HINT UNWIND_HINT_EMPTY
#endif
#define CO_INDIRECT_JUMP_SAFE ANNOTATE_RETPOLINE_SAFE
#define CO_RETURN_SAFE ANNOTATE_UNRET_SAFE
