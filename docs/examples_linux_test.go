package docs_test

// The EXAMPLES of the manual pages, typed as they are printed. What they take for
// granted (an image, a registry, a declaration) is made before, and what only a
// person or a NetBSD kernel can do is typed in another way.

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/conformance/console"
)

// example is how a page's examples are typed on Linux.
type example struct {
	before string            // a script that makes what is taken for granted
	file   string            // that the page shows, if it shows no commands
	typed  map[string]string // a line, and what is typed for it
	after  string            // looks at what has come of it, and takes it away
}

const (
	// netbsdOnly is typed in the guest, by the manual's own first page.
	netbsdOnly = "runcell run --image netbsd:10.1 --rootfs shared first"
	// refused says what Linux makes of it.
	refused = `status=0; runcell run --platform netbsd/amd64 --image netbsd:10.1 --rootfs shared first 2>said || status=$?
test $status -ne 0; grep "this kernel runs programs for linux" said`

	sets = `
		mkdir -p root/bin etc/etc
		cp /bin/busybox root/bin/sh
		ln -s sh root/bin/sleep
		echo root:*:0:0::/root:/bin/sh >etc/etc/passwd
		tar -cJf base.tar.xz -C root ./bin
		tar -cJf etc.tar.xz -C etc ./etc
		sha512sum --tag base.tar.xz etc.tar.xz >SHA512`
	serving = `
		serve='trap "exit 0" TERM; sleep 1000 & wait'
		runcell image pack --cmd /bin/sh --cmd -c --cmd "$serve" --tag 1 root oci:web`
)

var examples = map[string]example{
	"runcell-cell.5": {
		before: sets + serving + `
			runcell image import oci:web registry.example.com/web:1
			runcell image import oci:web db:1
			mkdir -p /etc/runcell
			echo image = db:1 >/etc/runcell/db.cell`,
		file: "/etc/runcell/web.cell",
		after: `
			runcell service start db
			runcell service start web
			runcell ports | grep 8080/tcp
			runcell exec web sh -c 'echo $MODE; echo kept >/var/db/web/file' | grep production
			runcell service check web
			runcell service stop web
			runcell service stop db
			runcell list --quiet | grep . && exit 1
			rm /etc/runcell/*.cell`,
	},
	"runcell-config.5": {
		before: sets + `
			mkdir -p bundle/rootfs; cp -R root/bin bundle/rootfs
			runcell spec --bundle bundle`,
		file: "shown",
		after: `
			{ echo '{'; cat shown; echo ,; sed 1d bundle/config.json; } >config; mv config bundle/config.json
			runcell explain bundle >said
			grep 8080/tcp said; grep sysv-ipc said; grep "maxProcesses.* 50" said`,
	},
	"runcell.8": {
		before: sets + strings.ReplaceAll(serving, " --tag 1", ""),
		typed: map[string]string{
			netbsdOnly:                          refused,
			"runcell run --bundle /srv/web web": `runcell run --bundle /srv/web web & tries=100; until runcell stop web; do tries=$((tries-1)); test $tries -gt 0; sleep 0.1; done; wait $!`,
			"runcell exec -t web sh":            `script -qec "runcell exec -t web sh -c 'tty && exit'" /dev/null`,
			"runcell delete --force web":        "runcell run -d --bundle /srv/web web; runcell delete --force web",
			"9101 stream tcp nowait root /usr/local/sbin/runcell runcell metrics --inetd": `printf 'GET /metrics HTTP/1.0\r\n\r\n' | runcell metrics --inetd | grep '200 OK'`,
		},
		after: `test -z "$(runcell list --quiet)"; rm -r /srv/web`,
	},
	"runcell-image.8": {
		before: sets + serving + `
			openssl ecparam -name prime256v1 -genkey -noout -out owner.key
			openssl ec -in owner.key -pubout -out owner.pub
			openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=registry.example.com \
				-addext subjectAltName=DNS:registry.example.com -keyout tls.key -out tls.pem 2>openssl.log
			echo 127.0.0.1 registry.example.com >>/etc/hosts
			/bin/busybox ip link set lo up
			printf 'version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: ":443", tls: {certificate: %s, key: %s}}\n' \
				"$PWD/registry" "$PWD/tls.pem" "$PWD/tls.key" >registry.yml
			timeout 120 docker-registry serve registry.yml >registry.log 2>&1 &
			echo $! >registry.pid
			SSL_CERT_FILE=$PWD/tls.pem
			runcell image import oci:web web:1
			tries=100
			until runcell image push --sign-key owner.key web:1 registry.example.com/web:1; do
				tries=$((tries-1)); test $tries -gt 0; sleep 0.1
			done`,
		typed: map[string]string{netbsdOnly: refused},
		after: `kill "$(cat registry.pid)"; test -e /srv/web/config.json; rm -r /srv/web`,
	},
	"runcell-service.8": {
		before: sets + serving + `
			runcell image import oci:web web:1
			mkdir -p /etc/runcell
			echo image = web:1 >/etc/runcell/web.cell
			runcell service start web`,
		typed: map[string]string{
			"vi /etc/runcell/web.cell":  "echo env = MODE=test >>/etc/runcell/web.cell",
			"runcell service check web": `status=0; runcell service check web >said || status=$?; grep MODE=test said; test $status -eq 2`,
		},
		after: `runcell service check web; runcell service stop web; rm /etc/runcell/web.cell`,
	},
}

// exampleSteps are a page's examples as steps, each of its displays one.
func exampleSteps(t *testing.T, page string, x example) []console.Step {
	t.Helper()
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := strings.Cut(string(b), ".Sh EXAMPLES\n")
	if !found {
		t.Fatalf("%s has no EXAMPLES", page)
	}
	text, _, _ = strings.Cut(text, "\n.Sh ")
	steps := []console.Step{script(x.before)}
	typed := map[string]bool{}
	for _, display := range displays(text) {
		if x.file != "" {
			display = slices.Concat([]string{"cat >" + x.file + " <<'END'"}, display, []string{"END"})
		}
		for i, line := range display {
			if other, is := x.typed[line]; is {
				display[i], typed[line] = other, true
			}
		}
		steps = append(steps, script(strings.Join(display, "\n")))
	}
	if len(typed) != len(x.typed) {
		t.Errorf("%s has not all of the lines that are typed in another way: only %v", page, typed)
	}
	return append(steps, script(x.after))
}

func script(text string) console.Step {
	return console.Step{Command: "set -e\n" + text, Want: []string{"…"}}
}

// displays are the lines of a section that mandoc shows as they are.
func displays(text string) (list [][]string) {
	var open []string
	within := false
	for line := range strings.SplitSeq(text, "\n") {
		switch one, is := strings.CutPrefix(line, ".Dl "); {
		case is:
			list = append(list, []string{one})
		case strings.HasPrefix(line, ".Bd -literal"):
			open, within = nil, true
		case line == ".Ed":
			list, within = append(list, open), false
		case within:
			open = append(open, strings.ReplaceAll(line, `\e`, `\`))
		}
	}
	return list
}
