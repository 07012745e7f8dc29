/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What world_switch.S tells a host kernel's code checker (Linux: objtool). Empty here; a host whose
 * build has such a tool puts a header of this name earlier in the include path.
 */
#define CO_UNWIND_HINT
#define CO_INDIRECT_JUMP_SAFE
#define CO_RETURN_SAFE
