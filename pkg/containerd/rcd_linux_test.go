package netbsd

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// subr is what the script needs of rc.subr(8).
const subr = `
load_rc_config() { . "$TEST_DIR/rc.conf"; }
run_rc_command() { $start_precmd && eval "$command $containerd_flags $command_args"; }
`

// fake says how it was called.
const fake = `#!/bin/sh
echo "$* with $(ulimit -n) files"
echo "$PATH"
`

// The script of rc.d(8), with a stand-in for rc.subr(8) and for containerd.
func TestStartAtBoot(t *testing.T) {
	dir := t.TempDir()
	script, err := os.ReadFile("rc.d/containerd")
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"script":  strings.NewReplacer("/etc/rc.subr", dir+"/rc.subr", "@PREFIX@", dir, "/var/", dir+"/var/").Replace(string(script)),
		"rc.subr": subr, "sbin/containerd": fake, "rc.conf": "containerd_flags='--config /x'\ncontainerd_files=99\n", "var/log/.keep": "",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("/bin/sh", dir+"/script", "start")
	cmd.Env = []string{"TEST_DIR=" + dir, "PATH=/usr/bin:/bin"}
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("start: %v, %s; want nothing said", err, out)
	}
	want := "--config /x with 99 files\n" + dir + "/sbin:" + dir + "/bin:/usr/bin:/bin\n"
	var log []byte
	for deadline := time.Now().Add(30 * time.Second); len(log) < len(want) && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		log, _ = os.ReadFile(dir + "/var/log/containerd.log")
	}
	if string(log) != want {
		t.Errorf("containerd was started as\n%s\nwant\n%s", log, want)
	}
	for _, made := range []string{"/var/lib/containerd", "/var/run/containerd"} {
		if _, err := os.Stat(dir + made); err != nil {
			t.Error(err)
		}
	}
}
