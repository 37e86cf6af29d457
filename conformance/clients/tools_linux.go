package clients

// The tools: what each needs before its session and after it.

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// tools is what a case's group needs, by name. Each prepares the machine and
// registers how all of its containers are removed.
var tools = map[string]func(*machine){
	"podman":   podman,
	"buildah":  buildah,
	"ctr":      containerd,
	"nerdctl":  nerdctl,
	"compose":  nerdctl,
	"go-runc":  goRunc,
	"page":     page,
	"shim":     page,
	"leftover": func(m *machine) { podman(m); containerd(m) },
}

// runcellConf tells podman and buildah where the runtime is.
const runcellConf = `[engine]
runtime = "runcell"
runtime_supports_json = ["runcell"]
runtime_supports_nocgroup = ["runcell"]
[engine.runtimes]
runcell = ["` + installed + `"]
`

func podman(m *machine) {
	m.write("/etc/containers/containers.conf.d/runcell.conf", strings.ReplaceAll(runcellConf, installed, m.t.Target.Path))
	m.atEnd(m.removePodmans)
	m.sh("podman load --quiet --input busybox.tar")
}

// removePodmans removes every container, and notes the ids of those that there
// were: their processes, files and control groups have to be gone.
func (m *machine) removePodmans() {
	m.sh("podman rm --all --force --time 0 2>/dev/null; podman ps --all --quiet --external | xargs -r buildah rm >/dev/null")
	for _, id := range m.words("podman events --stream=false --filter event=create --format '{{.ID}}'") {
		m.ids = append(m.ids, m.t.Track(id))
	}
}

func buildah(m *machine) {
	podman(m)
}

// bare is containerd's configuration without what these tests have no use for.
const bare = `version = 2
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt", "io.containerd.cri.v1.runtime", "io.containerd.cri.v1.images"]
`

// Containerd is the configuration of a containerd that has everything below one
// directory; its socket is DIR/c.sock.
func Containerd(dir string) string {
	return fmt.Sprintf(`root = "%[1]s/root"
state = "%[1]s/state"
%[2]s[grpc]
  address = "%[1]s/c.sock"
[ttrpc]
  address = "%[1]s/c.sock.ttrpc"
`, dir, bare)
}

// containerd is started for the case. Its shims and their containers are in
// the namespace that has the case's name.
func containerd(m *machine) { m.containerd(bare) }

func (m *machine) containerd(config string) {
	// The control group of the namespace is containerd's to make, and nobody's
	// to remove.
	m.t.Cleanup(func() { removeEmpty("/sys/fs/cgroup/" + m.t.Token); removeEmpty("/sys/fs/cgroup/*/" + m.t.Token) })
	m.write("/var/lib/containerd/config.toml", config)
	daemon := exec.Command("containerd", "--config", "/var/lib/containerd/config.toml", "--log-level", "warn")
	daemon.Env = m.env
	daemon.Path = m.find("containerd")
	m.t.Must("start containerd", m.t.Spawn(daemon))
	m.atEnd(m.removeTasks)
	for deadline := time.Now().Add(m.t.Limit(10 * time.Second)); ; time.Sleep(20 * time.Millisecond) {
		if len(m.words("ctr version >/dev/null 2>&1 && echo up")) > 0 {
			break
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("containerd does not answer")
		}
	}
	m.sh("ctr image import busybox.tar")
}

func (m *machine) removeTasks() {
	for _, id := range m.words("ctr task ls --quiet") {
		m.words("ctr task rm --force " + id)
	}
	for _, id := range m.words("ctr container ls --quiet") {
		m.words("ctr container rm " + id)
	}
	m.ownDirs = append(m.ownDirs, filepath.Join("/run/containerd/runc", m.t.Token),
		filepath.Join("/run/containerd/runcell", m.t.Token),
		filepath.Join("/run/containerd/io.containerd.runtime.v2.task", m.t.Token), "/run/containerd/s", "/run/containerd/fifo")
}

// nerdctl works with the containerd of the case.
func nerdctl(m *machine) {
	m.find("nerdctl")
	m.containerd(bare + "[plugins.\"io.containerd.internal.v1.restart\"]\n  interval = \"1s\"\n")
	m.env = append(m.env, "NERDCTL_TOML="+m.t.WriteFile(fmt.Sprintf("cgroup_manager = \"cgroupfs\"\ncni_netconfpath = %q\n", m.t.MkdirAll("cni")), "nerdctl.toml"))
	m.atEnd(func() {
		m.words("nerdctl ps --all --quiet | xargs -r nerdctl rm --force --volumes")
		for _, kept := range []string{"containers", "names", "etchosts"} {
			dirs, _ := filepath.Glob(filepath.Join("/var/lib/nerdctl/*", kept, m.t.Token))
			m.ownDirs = append(m.ownDirs, dirs...)
		}
	})
}

// page prepares for the commands of a page of the documentation, which make
// all the settings themselves.
func page(m *machine) {
	m.atEnd(m.removePodmans)
	containerd(m)
}

func removeEmpty(pattern string) {
	dirs, _ := filepath.Glob(pattern)
	for _, dir := range dirs {
		_ = os.Remove(dir)
	}
}
