/*
 * Vnodes, sockets, devices, clocks and the log.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "harness.h"
#include "host.h"

const int	hz = 100;

/* Time and text */

time_t
kern_uptime(void)
{
	return (time_t)(host_time() / 1000000000 * HARNESS_FASTER);
}

void
getnanouptime(struct timespec *ts)
{
	uint64_t ns = host_time() * HARNESS_FASTER;

	ts->tv_sec = (time_t)(ns / 1000000000);
	ts->tv_nsec = (long)(ns % 1000000000);
}

void
nanouptime(struct timespec *ts)
{
	getnanouptime(ts);
}

static void
format(char *to, size_t n, const char *fmt, va_list ap)
{
	(void)host_format(to, n, fmt, ap);
}

int
snprintf(char *to, size_t n, const char *fmt, ...)
{
	va_list ap;
	int done;

	va_start(ap, fmt);
	done = host_format(to, n, fmt, ap);
	va_end(ap);
	return done;
}

/* Messages are made, so that their arguments are looked at, and dropped. */
#define	MESSAGE(...) \
{ \
	char text[512]; \
	va_list ap; \
\
	va_start(ap, fmt); \
	format(text, sizeof(text), fmt, ap); \
	va_end(ap); \
}
void printf(const char *fmt, ...) MESSAGE()
void aprint_error(const char *fmt, ...) MESSAGE()

/* log(9) can be called with spin locks held; it takes the log's own. */
void log(int level, const char *fmt, ...) MESSAGE()

size_t
strlcpy(char *to, const char *from, size_t n)
{
	size_t len = strlen(from), copied = len < n ? len : n - 1;

	if (n != 0) {
		memcpy(to, from, copied);
		to[copied] = '\0';
	}
	return len;
}

int
kheapsort(void *p, size_t n, size_t size,
    int (*compare)(const void *, const void *), void *tmp)
{
	KASSERT(n > 0 && size > 0 && tmp != NULL);
	host_sort(p, n, size, compare);
	return 0;
}

/* Vnodes: what the paths of the cases lead to. */

struct vnode harness_roots[HARNESS_ROOTS];

static struct vnode a_file = { .v_type = VREG, .v_usecount = 1 };

void
vref(struct vnode *vp)
{
	KASSERT(atomic_load_relaxed(&vp->v_usecount) > 0);
	atomic_inc_uint(&vp->v_usecount);
}

void
vrele(struct vnode *vp)
{
	ASSERT_SLEEPABLE();
	KASSERT(atomic_load_relaxed(&vp->v_usecount) > 1);
	atomic_dec_uint(&vp->v_usecount);
}

/* /0 and so on are directories, /file is one, and nothing else is there. */
int
namei_simple_kernel(const char *path, int flags, struct vnode **vpp)
{
	ASSERT_SLEEPABLE();
	KASSERT(harness_held() == 0);	/* a path may take for ever */
	if (strcmp(path, "/file") == 0)
		*vpp = &a_file;
	else if (path[0] == '/' && path[1] >= '0' &&
	    path[1] < '0' + HARNESS_ROOTS && path[2] == '\0')
		*vpp = &harness_roots[path[1] - '0'];
	else
		return ENOENT;
	vref(*vpp);
	host_yield();
	return 0;
}

void
harness_object_init(void)
{
	u_int i;

	for (i = 0; i < HARNESS_ROOTS; i++)
		harness_roots[i] = (struct vnode){ .v_type = VDIR,
		    .v_usecount = 1 };
	softnet_lock = mutex_obj_alloc(MUTEX_DEFAULT, IPL_NONE);
	harness_nosleep(softnet_lock, "softnet_lock");
	mutex_init(&tty_lock, MUTEX_DEFAULT, IPL_VM);
}

/* No root vnode is held by anybody. */
bool
harness_roots_free(void)
{
	u_int i;

	for (i = 0; i < HARNESS_ROOTS; i++)
		if (harness_roots[i].v_usecount != 1)
			return false;
	return a_file.v_usecount == 1;
}

/* Devices */

kmutex_t tty_lock;

static const char *const drivers[] = {
	"cons", "ctty", "mem", "wd", "filedesc", "pts", "ptc", "ptm", "rnd",
};

const char *
cdevsw_getname(devmajor_t major)
{
	return major >= 0 && (size_t)major < __arraycount(drivers) ?
	    drivers[major] : NULL;
}

dev_t
harness_device(const char *driver, int minor)
{
	size_t i;

	for (i = 0; strcmp(drivers[i], driver) != 0; i++)
		continue;
	return makedev(i, minor);
}

/* Sockets: those of the internet share a lock. */

kmutex_t *softnet_lock;

static const struct domain domains[] = {
	{ AF_INET }, { AF_INET6 }, { PF_LOCAL },
};

static const struct protosw protocols[] = {
	{ SOCK_STREAM, &domains[0], IPPROTO_TCP },
	{ SOCK_DGRAM, &domains[0], IPPROTO_UDP },
	{ SOCK_STREAM, &domains[1], IPPROTO_TCP },
	{ SOCK_DGRAM, &domains[1], IPPROTO_UDP },
	{ SOCK_STREAM, &domains[2], 0 },
};

void solock(struct socket *so) { mutex_enter(so->so_lock); }
void sounlock(struct socket *so) { mutex_exit(so->so_lock); }
bool solocked(const struct socket *so) { return mutex_owned(so->so_lock); }

#define	PORTS	4	/* chains of the table */
static struct inpcbhead chains[2][PORTS];
static struct inpcbtable tables[2] = {
	{ chains[0], PORTS - 1 }, { chains[1], PORTS - 1 },
};

struct socket *
kern_socket(struct lwp *l, int family, int type)
{
	struct socket *so;
	struct inpcb *pcb;
	size_t i;

	KASSERT(curlwp == l);
	if (kern_ask(KAUTH_SCOPE_NETWORK, l->l_cred, KAUTH_NETWORK_SOCKET,
	    KAUTH_ARG(KAUTH_REQ_NETWORK_SOCKET_OPEN), KAUTH_ARG(family),
	    KAUTH_ARG(type), NULL) == KAUTH_RESULT_DENY)
		return NULL;
	for (i = 0; protocols[i].pr_domain->dom_family != family ||
	    protocols[i].pr_type != type; i++)
		continue;
	so = host_alloc(sizeof(*so));
	memset(so, 0, sizeof(*so));
	so->so_type = (short)type;
	so->so_proto = &protocols[i];
	so->so_cred = kauth_cred_hold(l->l_cred);
	so->so_lock = softnet_lock;
	so->so_pcb = pcb = host_alloc(sizeof(*pcb));
	memset(pcb, 0, sizeof(*pcb));
	pcb->inp_af = family;
	pcb->inp_socket = so;
	pcb->inp_table = &tables[type == SOCK_DGRAM];
	solock(so);
	LIST_INSERT_HEAD(&pcb->inp_table->inpt_porthashtbl[0], pcb,
	    inp_lhash);
	sounlock(so);
	return so;
}

/* The credential goes before the place among the others does. */
void
kern_soclose(struct socket *so)
{
	kauth_cred_t cred;

	solock(so);
	cred = so->so_cred;
	so->so_cred = NULL;
	kauth_cred_free(cred);
	LIST_REMOVE(so->so_pcb, inp_lhash);
	sounlock(so);
	host_free(so->so_pcb);
	host_free(so);
}

union address { struct sockaddr sa; struct sockaddr_in in;
	struct sockaddr_in6 in6; };

static void
set_address(union address *a, int family, uint32_t addr, uint16_t port)
{
	memset(a, 0, sizeof(*a));
	if (family == AF_INET6) {
		a->in6.sin6_port = htons(port);
		addr = htonl(addr);
		memcpy(a->in6.sin6_addr.s6_addr + 12, &addr, sizeof(addr));
	} else {
		a->in.sin_port = htons(port);
		a->in.sin_addr.s_addr = htonl(addr);
	}
}

static bool
ask_bind(struct lwp *l, struct socket *so, u_int request, union address *a)
{
	return kern_ask(KAUTH_SCOPE_NETWORK, l->l_cred, KAUTH_NETWORK_BIND,
	    KAUTH_ARG(request), so, a, NULL) != KAUTH_RESULT_DENY;
}

/*
 * The kernel picks a port and asks for it, with an address that has no family
 * and is not where the program's was.
 */
static uint16_t
pick_port(struct lwp *l, struct socket *so, uint32_t addr)
{
	union address candidate;
	uint16_t port;

	for (port = 65535; port > 65500; port--) {
		set_address(&candidate, so->so_pcb->inp_af, addr, port);
		if (ask_bind(l, so, KAUTH_REQ_NETWORK_BIND_PORT, &candidate))
			return port;
	}
	return 0;
}

int
kern_bind(struct lwp *l, struct socket *so, struct kern_bind b)
{
	/* A thread's system call has it at the same place each time. */
	static __thread union address asked;
	const struct sysent *was = l->l_sysent;
	struct inpcb *pcb = so->so_pcb;
	int error = 0;

	KASSERT(curlwp == l);
	l->l_sysent = &l->l_proc->p_emul->e_sysent[b.connects ? SYS_connect :
	    SYS_bind];
	set_address(&asked, pcb->inp_af, b.addr, b.port);
	asked.sa.sa_family = (uint8_t)pcb->inp_af;
	solock(so);
	if (!ask_bind(l, so, b.port != 0 && b.port < 1024 ?
	    KAUTH_REQ_NETWORK_BIND_PRIVPORT : KAUTH_REQ_NETWORK_BIND_PORT,
	    &asked))
		error = EACCES;
	else if (b.port == 0 && (b.port = pick_port(l, so, b.addr)) == 0)
		error = EADDRNOTAVAIL;
	else {
		LIST_REMOVE(pcb, inp_lhash);
		pcb->inp_lport = htons(b.port);
		pcb->inp_addr4 = asked.in.sin_addr;
		pcb->inp_addr6 = asked.in6.sin6_addr;
		pcb->inp_state = b.connects ? INP_CONNECTED : INP_BOUND;
		LIST_INSERT_HEAD(&pcb->inp_table->inpt_porthashtbl[b.port &
		    pcb->inp_table->inpt_porthash], pcb, inp_lhash);
	}
	sounlock(so);
	l->l_sysent = was;
	return error;
}
