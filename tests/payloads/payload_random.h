/* SPDX-License-Identifier: GPL-2.0 */
/* Numbers that a seed determines: splitmix64 (Steele, Lea, Flood 2014), for payloads and host programs alike. */
#ifndef COLINUX_PAYLOAD_RANDOM_H
#define COLINUX_PAYLOAD_RANDOM_H

#include <colinux/types.h>

static co_u64 random_state;

static inline co_u64 random_bits(void)
{
	co_u64 z = random_state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static inline co_u64 random_canonical(void) /* with 4 levels, and with 5 */
{
	return (co_u64)((co_s64)(random_bits() << 16) >> 16);
}

#endif
