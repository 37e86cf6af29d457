/*
 * What else requests are about: vnodes, sockets, terminals, devices, sysctl
 * nodes, and the module itself.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef KERN_OBJECT_H
#define KERN_OBJECT_H

#include "process.h"

/* Vnodes. */

enum vtype { VNON, VREG, VDIR, VBLK, VCHR, VLNK, VSOCK, VFIFO, VBAD };
enum vtagtype { VT_NON, VT_UFS, VT_PTYFS, VT_PROCFS, VT_TMPFS };
struct vnode {
	enum vtype	v_type;
	enum vtagtype	v_tag;
	dev_t		v_rdev;
	void		*v_data;
	struct socket	*v_socket;
	kmutex_t	*v_interlock;
	u_int		v_usecount;
	const char	*v_name;	/* its path, for namei */
};
typedef struct vnode vnode_t;
void	vref(struct vnode *);
void	vrele(struct vnode *);
#define	NSM_FOLLOW_NOEMULROOT	1
int	namei_simple_kernel(const char *, int, struct vnode **);

#define	DEV_MEM			0
#define	DEV_KMEM		1
#define	DEV_NULL		2
#define	DEV_FULL		11
#define	DEV_ZERO		12
#define	NODEV			((dev_t)-1)
#define	NODEVMAJOR		(-1)
#define	makedev(x, y)		((dev_t)(x) << 8 | (dev_t)(y))
#define	major(d)		((int)((d) >> 8 & 0xffffff))
#define	minor(d)		((int)((d) & 0xff))
const char *cdevsw_getname(devmajor_t);
struct tty { dev_t t_dev; };
extern kmutex_t	tty_lock;

typedef enum { PFSregs, PFSfpregs, PFSroot, PFSproc, PFSmem, PFSfile, PFSfd }
    pfstype;
struct pfsnode { pfstype pfs_type; pid_t pfs_pid; struct vnode *pfs_vnode; };

#define	IPC_R	0400
#define	IPC_W	0200
#define	IPC_M	010000
struct ipc_perm { uid_t uid, cuid; gid_t gid, cgid; mode_t mode; };

#define	FREAD	1
#define	FWRITE	2

/* Sockets. */

#define	PF_UNSPEC	0
#define	PF_LOCAL	1
#define	AF_LOCAL	PF_LOCAL
#define	AF_INET		2
#define	PF_INET		AF_INET
#define	AF_INET6	24
#define	PF_INET6	AF_INET6
#define	PF_OROUTE	17
#define	PF_ROUTE	34
#define	SOCK_STREAM	1
#define	SOCK_DGRAM	2
#define	SOCK_RAW	3
#define	SO_REUSEADDR	0x0004
#define	SO_REUSEPORT	0x0200
#define	IPPROTO_TCP	6
#define	IPPROTO_UDP	17
struct in_addr { uint32_t s_addr; };
struct in6_addr { uint8_t s6_addr[16]; };
struct sockaddr { uint8_t sa_len, sa_family; char sa_data[14]; };
struct sockaddr_in {
	uint8_t sin_len, sin_family; uint16_t sin_port;
	struct in_addr sin_addr; char sin_zero[8];
};
struct sockaddr_in6 {
	uint8_t sin6_len, sin6_family; uint16_t sin6_port;
	uint32_t sin6_flowinfo; struct in6_addr sin6_addr;
	uint32_t sin6_scope_id;
};
struct domain { int dom_family; };
struct protosw { short pr_type; const struct domain *pr_domain;
	short pr_protocol; };
struct socket {
	short			so_type;
	int			so_options;
	const struct protosw	*so_proto;
	kauth_cred_t		so_cred;
	kmutex_t		*so_lock;
	struct inpcb		*so_pcb;
};

/* A socket's place among those of its protocol, by its port. */
#define	INP_ATTACHED		0
#define	INP_BOUND		1
#define	INP_CONNECTED		2
#define	IN6P_IPV6_V6ONLY	0x00008000
#define	IN6P_FAITH		0x08000000
struct inpcbtable;
struct inpcb {
	LIST_ENTRY(inpcb)	inp_lhash;
	int			inp_af;
	int			inp_state;
	struct socket		*inp_socket;
	struct inpcbtable	*inp_table;
	uint16_t		inp_lport;
	int			inp_flags;
	struct in_addr		inp_addr4;
	struct in6_addr		inp_addr6;
};
#define	const_in4p_laddr(p)	((p)->inp_addr4)
#define	const_in6p_laddr(p)	((p)->inp_addr6)
LIST_HEAD(inpcbhead, inpcb);
struct inpcbtable {
	struct inpcbhead	*inpt_porthashtbl;
	u_long			inpt_porthash;
};

extern kmutex_t	*softnet_lock;
void	solock(struct socket *);
void	sounlock(struct socket *);
bool	solocked(const struct socket *);
/* A member who may not gets NULL. */
struct socket *kern_socket(struct lwp *, int, int);
void	kern_soclose(struct socket *);
/* bind(2), or what connect(2) does of it: address and port in host order. */
struct kern_bind { uint32_t addr; uint16_t port; bool connects; };
int	kern_bind(struct lwp *, struct socket *, struct kern_bind);

/* sysctl */

#define	CTL_EOL			(-1)
#define	CTL_CREATE		(-3)
#define	CTL_SECURITY		13
#define	CTL_KERN		1
#define	KERN_MSGBUF		53
#define	CTL_MAXNAME		12
#define	CTLTYPE_NODE		1
#define	CTLTYPE_INT		2
#define	CTLTYPE_STRING		3
#define	CTLTYPE_QUAD		4
#define	CTLTYPE_STRUCT		5
#define	CTLTYPE_BOOL		6
#define	CTLFLAG_READONLY	0
#define	CTLFLAG_READWRITE	0x00000070
#define	CTLFLAG_PERMANENT	0x00000200
#define	CTLFLAG_IMMEDIATE	0x00000800
#define	CTLFLAG_PRIVATE		0x00001000
#define	CTLFLAG_ANYWRITE	0x00000080
struct sysctllog;
struct sysctlnode;
#define	SYSCTLFN_ARGS \
	const int *name, u_int namelen, void *oldp, size_t *oldlenp, \
	const void *newp, size_t newlen, const int *oname, struct lwp *l, \
	const struct sysctlnode *rnode
#define	SYSCTLFN_PROTO \
	const int *, u_int, void *, size_t *, const void *, size_t, \
	const int *, struct lwp *, const struct sysctlnode *
#define	SYSCTLFN_CALL(node) \
	name, namelen, oldp, oldlenp, newp, newlen, oname, l, node
typedef int (*sysctlfn)(SYSCTLFN_PROTO);
struct sysctlnode {
	uint32_t		sysctl_flags;
	int			sysctl_num;
	int			sysctl_type;
	char			sysctl_name[32];
	sysctlfn		sysctl_func;
	void			*sysctl_data;
	size_t			sysctl_size;
	uint64_t		sysctl_idata;
	struct sysctlnode	*sysctl_parent;
	bool			sysctl_used;
};
#define	SYSCTL_DESCR(s)	s
int	sysctl_createv(struct sysctllog **, int, const struct sysctlnode **,
	    const struct sysctlnode **, int, int, const char *, const char *,
	    sysctlfn, uint64_t, void *, size_t, ...);
void	sysctl_teardown(struct sysctllog **);
int	sysctl_lookup(SYSCTLFN_PROTO);
int	sysctl_copyin(struct lwp *, const void *, void *, size_t);
int	sysctl_copyout(struct lwp *, const void *, void *, size_t);
int	sysctl_locate(struct lwp *, const int *, u_int,
	    const struct sysctlnode **, int *);
void	sysctl_lock(bool);
void	sysctl_unlock(void);
void	sysctl_relock(void);

/* sysctl(3) on a node below security.models.cell. */
void	kern_sysctl_init(void);
int	kern_sysctl(struct lwp *, const char *, void *, size_t *, const void *,
	    size_t);
/* The names of the nodes with a handler; NULL after the last. */
const char *kern_sysctl_name(u_int);
/* What copyin and copyout may touch in this thread: all, or n bytes at p. */
void	kern_user_memory(const void *p, size_t n);

/* The module */

typedef enum { MODULE_CMD_INIT, MODULE_CMD_FINI, MODULE_CMD_STAT,
    MODULE_CMD_AUTOUNLOAD } modcmd_t;
#define	MODULE_CLASS_SECMODEL	4
/* The properties that a module is loaded with. */
typedef struct prop_dictionary { bool unload; } *prop_dictionary_t;
bool	prop_dictionary_get_bool(prop_dictionary_t, const char *, bool *);

typedef int (*modcmd_fn)(modcmd_t, void *);
extern modcmd_fn kern_modcmd;
#define	MODULE(class, name, required) \
	static int name##_modcmd(modcmd_t, void *); \
	modcmd_fn kern_modcmd = name##_modcmd

#endif
