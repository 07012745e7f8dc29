// SPDX-License-Identifier: GPL-2.0
/*
 * Which kernel this object is for, in the words that modules use: the loader compares the release with the
 * image's banner.
 */
#define INCLUDE_VERMAGIC
#include <linux/module.h>
#include <linux/stringify.h>
#include <linux/vermagic.h>

#include <colinux/graft_object.h>

MODULE_INFO(vermagic, VERMAGIC_STRING);
MODULE_INFO(colinux_graft, __stringify(CO_GRAFT_OBJECT_VERSION));
MODULE_INFO(license, "GPL");
