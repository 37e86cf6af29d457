#!/bin/sh
# have.sh SYS: prints cell_have.h for the kernel sources in SYS: a HAVE_ for
# each KAUTH_ name that this kernel knows (they are enumerators, which #ifdef
# can't see), and for the differences that cell_compat.h bridges. Headers that
# can't be read, or hold no such name, are an error: what a kernel has must not
# be taken for missing.
set -eu
sys=$1

names=$(grep -Eo 'KAUTH_[A-Z0-9_]+' "$sys/sys/kauth.h") || {
	echo "have.sh: no KAUTH_ name in $sys/sys/kauth.h" >&2
	exit 1
}
echo '/* Made by have.sh from the headers of the kernel sources. */'
# shellcheck disable=SC2086
printf '#define	HAVE_%s 1\n' $names | sort -u

# has FILE PATTERN NAME: prints HAVE_NAME if a line of the header matches.
has() {
	if grep -Eq "$2" "$sys/$1"; then
		echo "#define	HAVE_$3 1"
	elif [ $? -ne 1 ]; then
		exit 1
	fi
}
has sys/proc.h '^extern[[:space:]]+kmutex_t[[:space:]]+proc_lock' PROC_LOCK_OBJECT
has sys/proc.h '[[:space:]*]proc_find_lwpid\(' PROC_FIND_LWPID
has sys/atomic.h '[[:space:]]membar_release\(' MEMBAR_RELEASE
# Until 9.99 IPv4 and IPv6 had control blocks of their own, with one head.
has netinet/in_pcb.h 'inpcb_hdr' INPCB_HDR
