/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of this folder call in each other. */
#ifndef COLINUX_LINUX_GLUE_H
#define COLINUX_LINUX_GLUE_H

int co_cpu_init(void);
void co_cpu_exit(void);
void co_time_init(void);
void co_log_exit(void);
void co_nmi_awaited_less(void); /* this CPU has taken a timer interrupt */
void co_nmi_awaited_none(void); /* no more NMIs will be sent, to any CPU */

int co_shutdown_init(void);
void co_shutdown_exit(void);

/* The host's sleep while guests exist: S3, hibernation, suspend-to-idle. */
int co_sleep_init(void);
void co_sleep_exit(void);

/* The timers that look after CPUs which a guest keeps: run while guests exist, on every CPU that is or comes online. */
int co_watch_start(void);
void co_watch_stop(void);

/* On a host that is itself a KVM guest: no page faults with a token while guests exist. */
int co_async_faults_stop(void);
void co_async_faults_resume(void);

#endif
