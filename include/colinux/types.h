/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Fixed-width types for headers that five worlds read: the core (freestanding C++), the Linux and
 * NT glue (kernel C), the graft (guest kernel C), the daemon (C++) and the assembler (which sees
 * only the #defines). Nothing here depends on a libc.
 */
#ifndef COLINUX_TYPES_H
#define COLINUX_TYPES_H

#ifndef __ASSEMBLER__
#if defined(__KERNEL__)
#include <linux/types.h>
typedef u8 co_u8;
typedef u16 co_u16;
typedef u32 co_u32;
typedef u64 co_u64;
typedef s64 co_s64;
#else
typedef unsigned char co_u8;
typedef unsigned short co_u16;
typedef unsigned int co_u32;
typedef unsigned long long co_u64;
typedef long long co_s64;
#endif

#ifdef __cplusplus
#define CO_STATIC_ASSERT(condition, text) static_assert(condition, text)
#else
#define CO_STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#endif
#endif /* !__ASSEMBLER__ */

#endif
