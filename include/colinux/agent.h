/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What `colinux exec` on the host and colinux-agent in the guest say to each other, over one stream
 * (virtio-vsock, CO_AGENT_PORT) for each command that is run. docs/agent.md is the description.
 *
 *   host:  REQUEST... START      [STDIN] [SIGNAL] [RESIZE] ...
 *   agent:                       STARTED [STDOUT] [STDERR] [STDIN_TAKEN] [SIGNALLED] ... EXITED
 *          or                    REFUSED
 *
 * A frame is a co_agent_frame and `bytes` bytes of payload; all numbers are little endian. What is not as
 * written here ends the connection, and that ends the command (SIGHUP).
 */
#ifndef COLINUX_AGENT_H
#define COLINUX_AGENT_H

#include <colinux/types.h>

#define CO_AGENT_PORT 1024 /* unprivileged programs of the guest may listen there only if the agent does not */
#define CO_AGENT_VERSION 1

#define CO_AGENT_MAX_PAYLOAD 32768          /* of one frame */
#define CO_AGENT_MAX_REQUEST (256 * 1024)   /* of all REQUEST frames together */
#define CO_AGENT_STDIN_WINDOW 65536         /* of STDIN that no STDIN_TAKEN has told of: so no signal waits behind input */

/* From the host */
#define CO_AGENT_REQUEST 1  /* a piece of the request: strings KEY=VALUE, each with a NUL behind it (below) */
#define CO_AGENT_START 2    /* empty: the request is complete */
#define CO_AGENT_STDIN 3    /* empty: end of input */
#define CO_AGENT_SIGNAL 4   /* u32: a signal's number, 1..64, to the command's process group */
#define CO_AGENT_RESIZE 5   /* u16 rows, u16 columns */

/* From the agent */
#define CO_AGENT_STARTED 16     /* u32: CO_AGENT_VERSION */
#define CO_AGENT_REFUSED 17     /* u32: exit code (126, 127), then why, as text. Nothing follows */
#define CO_AGENT_STDOUT 18
#define CO_AGENT_STDERR 19
#define CO_AGENT_STDIN_TAKEN 20 /* u32: so many bytes more may be sent */
#define CO_AGENT_SIGNALLED 21   /* empty: one SIGNAL was delivered */
#define CO_AGENT_EXITED 22      /* u32 exit code, u32 signal that killed it or 0. Nothing follows */

/*
 * The request's keys. An agent refuses one that it does not know.
 *
 *   arg=WORD          the command and its arguments, in order; none: the user's login shell
 *   env=NAME=VALUE    in addition to, or in place of, PATH HOME USER LOGNAME SHELL
 *   user=NAME or UID  else root
 *   dir=FOLDER        else the user's home
 *   stdin=1           STDIN will come; else it is /dev/null
 *   tty=ROWSxCOLUMNS  a pseudo terminal for all three streams; what it shows comes as STDOUT
 */

#ifndef __ASSEMBLER__

struct co_agent_frame {
	co_u32 bytes; /* of payload, at most CO_AGENT_MAX_PAYLOAD */
	co_u16 type;
	co_u16 reserved; /* 0 */
};
CO_STATIC_ASSERT(sizeof(struct co_agent_frame) == 8, "both sides agree");

#endif /* !__ASSEMBLER__ */
#endif
