#!/bin/sh
# make demo: from nothing to a running cell and back, on this machine. Every
# step shows the command that a user would type, and what it means. The script
# ends with an error as soon as something is not as promised.
set -eu
cd "$(dirname "$0")/.."

[ "$(id -u)" -eq 0 ] || { echo 'The demo makes cells: run it as root.' >&2; exit 1; }

bin=$PWD/bin/runcell
dir=$(mktemp -d "${TMPDIR:-/tmp}/runcell-demo.XXXXXX")
state=$dir/state
outside='' # a process of the host

runcell() { "$bin" --root "$state" "$@"; }

cleanup() {
	for id in web two; do runcell delete --force $id >/dev/null 2>&1 || :; done
	[ -z "$outside" ] || kill "$outside" 2>/dev/null || :
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

# --- how a step looks -------------------------------------------------------

bold='' plain=''
if [ -t 1 ]; then bold=$(printf '\033[1m') plain=$(printf '\033[0m'); fi

step() { printf '\n%s# %s%s\n' "$bold" "$*" "$plain"; }
typed() { printf '%s$ %s%s\n' "$bold" "$*" "$plain"; }
fail() { printf 'demo: %s\n' "$*" >&2; exit 1; }

# show COMMAND...: what the user types, and what it prints.
show() {
	typed "$@"
	"$@"
}

# expect TEXT COMMAND...: shows the command; its output must hold the text.
expect() {
	text=$1
	shift
	typed "$@"
	"$@" >"$dir/out" 2>&1 || :
	cat "$dir/out"
	grep -Eq -- "$text" "$dir/out" || fail "expected an answer that matches: $text"
}

# still_there PID: it runs. One that has ended and that nobody has waited for
# yet still has a number: who started the demo may be slow to do so.
still_there() {
	kill -0 "$1" 2>/dev/null || return 1
	[ -e /proc/self/status ] || return 0
	grep -s '^State:' "/proc/$1/status" | grep -qv zombie
}

# --- the steps --------------------------------------------------------------

echo "Below, runcell is bin/runcell --root $state, and relative paths are in $dir."
CGO_ENABLED=0 ${GO:-go} build -trimpath -ldflags '-s -w' -o "$dir/web-server" ./cmd/demo-web
cd "$dir"

step 'A root filesystem: one static web server, and busybox where the host has it.'
mkdir -p rootfs/bin rootfs/dev rootfs/proc rootfs/etc rootfs/tmp
cp web-server rootfs/web
if [ -x /bin/busybox ] && ! ldd /bin/busybox >/dev/null 2>&1; then
	cp /bin/busybox rootfs/bin/busybox
	ln -s busybox rootfs/bin/sh
fi
show ls rootfs

step 'Make an OCI image of it. Any OCI tool can read the result.'
show runcell image pack --entrypoint /web --cmd serve --cmd 127.0.0.1:8080 \
	--expose 8080/tcp --expose 8443/tcp rootfs oci:image:demo

step 'Unpack the image into a bundle. Ports that it exposes are reserved for the cell.'
show runcell image unpack --reserve-ports oci:image:demo web
show ls web

step 'What will this configuration mean? The cell, and what was not taken exactly.'
typed runcell explain web
runcell explain web >explained
sed -n '/^Permissions/q;p' explained
echo "(and $(sed -n '/^Permissions/,$p' explained | wc -l) lines on permissions)"

step 'Run it in the background. No process of runcell stays.'
typed runcell run --detach --bundle web web
runcell run --detach --bundle web web </dev/null >web.log 2>&1 || fail "$(cat web.log)"
show runcell list
show runcell state web

step 'Talk to the web server, from the host and from inside the cell.'
tries=0
until ./web-server get http://127.0.0.1:8080/ >/dev/null 2>&1; do
	tries=$((tries + 1))
	[ $tries -lt 50 ] || fail "no answer from the web server: $(cat web.log)"
	sleep 0.1
done
cp web-server client
expect 'hello from inside the cell' ./client get http://127.0.0.1:8080/outside
expect 'hello from inside the cell' runcell exec web /web get http://127.0.0.1:8080/inside

step 'Root in the cell asks for more than a cell may do. The kernel says no.'
expect '^mount: EPERM$' runcell exec web /web try mount
expect '^settimeofday: EPERM$' runcell exec web /web try settimeofday
sleep 600 &
outside=$!
expect "^kill $outside: (EPERM|ESRCH)\$" runcell exec web /web try kill "$outside"
kill -0 "$outside" || fail 'the process of the host was killed'
echo "(process $outside of the host lives on: the cell can't even see it)"

step 'What every program needs is open: ordinary devices.'
expect ': ok$' runcell exec web /web try read /dev/null
expect ': ok$' runcell exec web /web try read /dev/urandom

step 'A second cell of the same image, without the ports. It sees only itself.'
runcell image unpack oci:image:demo two >/dev/null
sed 's/"127.0.0.1:8080"/"127.0.0.1:8181"/' two/config.json >config.json
mv config.json two/config.json
typed runcell run --detach --bundle two two
runcell run --detach --bundle two two </dev/null >two.log 2>&1 || fail "$(cat two.log)"
expect '/web serve 127.0.0.1:8181' runcell exec two /web try processes
if grep -q '127.0.0.1:8080' out; then fail 'it sees the first cell'; fi

step 'Port 8443 belongs to the cell "web", though nothing listens there yet.'
if runcell features | grep -q 'kernel.ports": "enforced'; then
	expect '^bind 127.0.0.1:8443: (EACCES|EPERM)$' runcell exec two /web try bind 127.0.0.1:8443
	expect '^bind 127.0.0.1:8443: ok$' runcell exec web /web try bind 127.0.0.1:8443
else
	echo 'This host can record reserved ports, but not enforce them:'
	runcell features | grep 'kernel.ports"'
fi

step 'Stop and remove. A running cell is not deleted by accident.'
pids="$(runcell ps --format json web | tr -d '[]\n' | tr ',' ' ') $(runcell ps --format json two | tr -d '[]\n' | tr ',' ' ')"
groups=$(for pid in $pids; do sed -n 's/^0:://p' "/proc/$pid/cgroup" 2>/dev/null; done | grep runcell || :)
expect 'running' runcell delete web
show runcell kill web TERM
expect '^0$|exit status' runcell wait web
show runcell delete web
show runcell delete --force two
show runcell list

step 'Nothing is left.'
for pid in $pids; do
	if still_there "$pid"; then fail "process $pid is still there"; fi
done
echo 'processes: none'
if mount | grep -F "$dir"; then fail 'the mounts above are still there'; fi
echo 'mounts: none'
[ -z "$(runcell list --quiet)" ] || fail 'cells are left'
echo 'cells: none'
for group in $groups; do
	for top in /sys/fs/cgroup /sys/fs/cgroup/unified; do
		[ ! -d "$top$group" ] || fail "the cgroup $top$group is still there"
	done
done
echo 'cgroups: none'
kill "$outside"
outside=''
rm -rf web two
files=$(find "$state" -type f ! -path "$state/@cells/*")
[ -z "$files" ] || fail "files are left: $files"
echo 'files: none, but the ids that the emulated kernel has given out'
