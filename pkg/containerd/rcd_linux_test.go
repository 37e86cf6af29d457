package netbsd

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// subr is what the scripts need of rc.subr(8).
const subr = `
load_rc_config() { . "$TEST_DIR/rc.conf"; }
run_rc_command() { eval "flags=\$${name}_flags"; $start_precmd && eval "$command $flags $command_args"; $start_postcmd; }
`

// fake says how it was called.
const fake = `#!/bin/sh
echo "$* with $(ulimit -n) files"
echo "$PATH"
`

// A containerd that ends before it has a socket is no start.
func TestNoSocketAtBoot(t *testing.T) {
	dir := rcDirectory(t, "containerd", "containerd", "")
	cmd := exec.Command("/bin/sh", dir+"/script", "start")
	cmd.Env = []string{"TEST_DIR=" + dir, "PATH=/usr/bin:/bin"}
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "containerd: it has ended; "+dir+"/var/log/containerd.log tells why") {
		t.Errorf("start: %v, %s; want that it has ended", err, out)
	}
}

// rcDirectory has a script, a stand-in for its program, and a configuration.
func rcDirectory(t *testing.T, name, program, conf string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	script, err := os.ReadFile("rc.d/" + name)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"script":  strings.NewReplacer("/etc/rc.subr", dir+"/rc.subr", "@PREFIX@", dir, "/var/", dir+"/var/").Replace(string(script)),
		"rc.subr": subr, "sbin/" + program: fake, "rc.conf": conf, "var/log/.keep": "",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// The scripts of rc.d(8), with a stand-in for rc.subr(8) and for the programs.
func TestStartAtBoot(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	for _, c := range []struct{ script, program, conf, want, log string }{
		{
			"containerd", "containerd", "containerd_flags='--config /x'\ncontainerd_files=99\ncontainerd_socket=" + socket + "\n",
			"--config /x with 99 files\nDIR/sbin:DIR/bin:/usr/bin:/bin\n", "containerd.log",
		},
		{
			"containerd_snapshotter", "containerd-snapshotter-runcell", "ulimit -n 98\ncontainerd_snapshotter_flags='--own opt'\n",
			"--own opt with 98 files\n/usr/bin:/bin\n", "containerd_snapshotter.log",
		},
	} {
		t.Run(c.script, func(t *testing.T) {
			dir := rcDirectory(t, c.script, c.program, c.conf)
			cmd := exec.Command("/bin/sh", dir+"/script", "start")
			cmd.Env = []string{"TEST_DIR=" + dir, "PATH=/usr/bin:/bin"}
			if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
				t.Fatalf("start: %v, %s; want nothing said", err, out)
			}
			want := strings.ReplaceAll(c.want, "DIR", dir)
			var log []byte
			for deadline := time.Now().Add(30 * time.Second); len(log) < len(want) && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
				log, _ = os.ReadFile(dir + "/var/log/" + c.log)
			}
			if string(log) != want {
				t.Errorf("it was started as\n%s\nwant\n%s", log, want)
			}
			if c.script != "containerd" {
				return
			}
			for _, made := range []string{"/var/lib/containerd", "/var/run/containerd"} {
				if _, err := os.Stat(dir + made); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
