package main

// The host that loses its power has a project of containers, too, if the guest has
// containerd's port: its rc.d script starts containerd at boot, and that its project.

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/netbsd-cells/runcell/pkg/containerd"
)

// projectFile is a project with the two policies that bring a container up at boot,
// and one without.
const projectFile = `services:
  web:
    image: localhost/web:1
    network_mode: none
    restart: always
    volumes: ["/var/db/site/web:/data"]
    command: ["-c", "trap 'exit 0' TERM; echo begins; while :; do echo x >>/data/x; sleep 1; done"]
  worker:
    image: localhost/web:1
    network_mode: none
    restart: unless-stopped
    volumes: ["/var/db/site/worker:/data"]
    command: ["-c", "trap 'exit 0' TERM; echo begins; while :; do echo x >>/data/x; sleep 1; done"]
  once:
    image: localhost/web:1
    network_mode: none
    volumes: ["/var/db/site/once:/data"]
    command: ["-c", "trap 'exit 0' TERM; echo begins; while :; do sleep 1; done"]
`

// compose is the project's command.
const compose = "nerdctl compose -f /etc/projects/site/compose.yaml "

// installPort does what the page says of containerd's installation.
func (h *host) installPort() {
	if len(h.port) == 0 {
		return
	}
	script, err := netbsd.Scripts.ReadFile("rc.d/containerd")
	errs := []error{
		err, write("/etc/rc.d/containerd", strings.ReplaceAll(string(script), "@PREFIX@", "/usr/local"), 0o755),
		os.MkdirAll("/etc/projects/site", 0o755), write("/etc/projects/site/compose.yaml", projectFile, 0o644),
		os.MkdirAll("/var/lib", 0o755), write("/etc/resolv.conf", "nameserver 192.0.2.1\n", 0o644),
	}
	for _, path := range h.port {
		errs = append(errs, os.Symlink(path, filepath.Join("/usr/local/sbin", filepath.Base(path))))
	}
	for _, name := range []string{"web", "worker", "once"} {
		errs = append(errs, os.MkdirAll("/var/db/site/"+name, 0o755))
	}
	h.point("containerd is installed, and its project is written", errors.Join(errs...))
}

// project makes the image and starts the project, as an admin does once. What
// containerd has unpacked is on the disk some time later: a host that runs a project
// has had that time.
func (h *host) project() {
	if len(h.port) == 0 {
		return
	}
	h.typed("containerd runs", "", "service containerd status && ctr version")
	h.typed("it has an image", "", `(mkdir -p /tmp/site && cd /tmp/site && mkdir -p root/bin root/data root/dev root/etc root/proc root/tmp && cp /rescue/sh /rescue/sleep root/bin/ &&
runcell image pack --entrypoint /bin/sh root oci-archive:web.tar:1 && ctr images import --base-name localhost/web web.tar)`)
	h.typed("the project comes up", "", compose+"up -d")
	h.projectNames("first boot", "once", "web", "worker")
	h.typed("all is written to the disk", "", "sync; sleep 2; sync")
}

// projectRuns looks for what comes up by itself. containerd looks every ten seconds.
func (h *host) projectRuns(when string) {
	if len(h.port) == 0 {
		return
	}
	h.projectNames(when, "web", "worker")
	for _, name := range []string{"web", "worker"} {
		h.typed(when+": "+name+" works", "^inside$", "nerdctl exec site-"+name+"-1 /bin/sh -c 'test -s /data/x && echo inside'")
	}
	h.typed(when+": the other one can be started", "", "nerdctl start site-once-1")
	h.projectNames(when, "once", "web", "worker")
}

// projectNames waits until as many containers run, and wants these.
func (h *host) projectNames(when string, names ...string) {
	want := "^site-" + strings.Join(names, "-1\nsite-") + "-1$"
	h.typed(fmt.Sprintf("%s: containers %s run", when, strings.Join(names, ", ")), want, fmt.Sprintf(
		`n=0; until [ $(nerdctl ps -q | wc -l) -eq %d ] || [ $n -ge 90 ]; do sleep 1; n=$((n+1)); done; nerdctl ps --format '{{.Names}}' | sort`, len(names)))
}

// projectEnds takes the project away.
func (h *host) projectEnds() {
	if len(h.port) == 0 {
		return
	}
	h.typed("the project goes", "", compose+"down")
	h.typed("and nothing of it is left", "^$", "ctr containers ls -q; ctr tasks ls -q; ls /var/run/containerd/s; runcell --root /var/run/containerd/runcell/default list --quiet; mount | grep -c containerd | sed s/^0$//")
}
