package etc

// The rc.d script, with a stand-in for rc.subr(8) and for runcell.

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// subr is what the script needs of rc.subr(8).
const subr = `
load_rc_config() { . "$TEST_DIR/rc.conf"; }
run_rc_command() { eval "_cmd=\$${1}_cmd"; $_cmd; }
`

// fake writes down how it was called. A container runs as long as there is a
// file of its name; "stubborn" can't be stopped, "broken" does not start.
const fake = `#!/bin/sh
echo "$*" >>"$TEST_DIR/calls"
shift 2 # --root DIR
[ "$1" = --log ] && { echo "warning: it is approximated" >>"$2"; shift 2; }
case "$1 $2" in
"recover ") [ ! -f "$TEST_DIR/run/unreadable" ] || { echo "recover: read state" >&2; exit 1; } ;;
"run --detach")
	[ "$5" = broken ] && { echo "no such bundle" >&2; exit 1; }
	touch "$TEST_DIR/run/$5" ;;
"ps "*) [ -f "$TEST_DIR/run/$2" ] || [ -f "$TEST_DIR/ended/$2" ] ;; # it is no error of one that has ended
"state "*)
	[ -f "$TEST_DIR/run/$2" ] && { echo '  "status": "running",'; exit; }
	[ -f "$TEST_DIR/ended/$2" ] && echo '  "status": "stopped",' ;;
"delete "[!-]*) rm "$TEST_DIR/ended/$2" ;;
"stop --time") [ "$4" = stubborn ] && { echo "stop: it does not end" >&2; exit 1; }; rm -f "$TEST_DIR/run/$4" ;;
"delete --force") rm -f "$TEST_DIR/run/$3" ;;
esac
`

type rc struct {
	*testing.T
	dir string
}

func newRC(t *testing.T, containers string) rc {
	dir := t.TempDir()
	script, err := os.ReadFile("rc.d/runcell")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("/etc/rc.subr", dir+"/rc.subr", "@PREFIX@", dir).Replace(string(script))
	for name, content := range map[string]string{
		"script": text, "rc.subr": subr, "sbin/runcell": fake, "run/.keep": "", "ended/.keep": "",
		"rc.conf": "runcell_flags='--root /r'\nruncell_timeout=1\nruncell_logdir=" + dir + "/log\nruncell_containers='" + containers + "'\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return rc{t, dir}
}

// do runs a command of the script and gives what it called and printed.
func (r rc) do(command string) (calls, output string, ok bool) {
	r.Helper()
	calls, output, ok = r.run(command)
	if calls == "" {
		r.Fatalf("%s called nothing: %s", command, output)
	}
	return calls, output, ok
}

// run is do for a command that may call nothing.
func (r rc) run(command string) (calls, output string, ok bool) {
	r.Helper()
	_ = os.Remove(filepath.Join(r.dir, "calls"))
	cmd := exec.Command("/bin/sh", filepath.Join(r.dir, "script"), command)
	cmd.Env = []string{"TEST_DIR=" + r.dir, "PATH=" + r.dir + "/sbin:/usr/bin:/bin"}
	out, err := cmd.CombinedOutput()
	b, _ := os.ReadFile(filepath.Join(r.dir, "calls"))
	calls = strings.ReplaceAll(strings.TrimSpace(string(b)), "--root /r ", "")
	return strings.ReplaceAll(calls, r.dir, ""), string(out), err == nil
}

func (r rc) want(command, calls string) {
	r.Helper()
	got, out, ok := r.do(command)
	if got != strings.ReplaceAll(strings.TrimSpace(calls), "\t", "") || !ok {
		r.Errorf("%s called, ok %v:\n%s\nwant:\n%s\noutput: %s", command, ok, got, calls, out)
	}
}

func TestStartAndStop(t *testing.T) {
	r := newRC(t, "/cells/db /cells/stubborn")
	r.want("start", `recover
		state db
		--log /log/db.log run --detach --bundle /cells/db db
		state stubborn
		--log /log/stubborn.log run --detach --bundle /cells/stubborn stubborn
		service start --autostart`)
	if b, err := os.ReadFile(filepath.Join(r.dir, "log/db.log")); err != nil || !strings.Contains(string(b), "approximated") {
		t.Errorf("the log has %q, %v; want the warnings", b, err)
	}
	// What programs print is root's business, whatever the umask is at boot.
	if fi, err := os.Stat(filepath.Join(r.dir, "log")); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("the directory of the logs: %v, %v; want mode 0700", fi, err)
	}
	r.want("start", `recover
		state db
		state stubborn
		service start --autostart`)
	// One whose program has ended by itself is started anew.
	if err := os.Rename(filepath.Join(r.dir, "run/db"), filepath.Join(r.dir, "ended/db")); err != nil {
		t.Fatal(err)
	}
	r.want("start", `recover
		state db
		delete db
		--log /log/db.log run --detach --bundle /cells/db db
		state stubborn
		service start --autostart`)
	r.want("status", "list\nservice status")
	// One that can't be stopped is told, and keeps no other from being stopped.
	const stops = "service stop --all\nstate stubborn\nstop --time 1 stubborn\ndelete --force stubborn\nstate db\nstop --time 1 db\ndelete --force db"
	if calls, out, ok := r.do("stop"); calls != stops || ok || !strings.Contains(out, "does not end") {
		t.Errorf("stop called %q, ok %v: %s; want %q, a failure and its reason", calls, ok, out, stops)
	}
	r.want("stop", `service stop --all
		state stubborn
		state db`)
}

// What is the host's is reserved before the first cell starts.
func TestReserve(t *testing.T) {
	r := newRC(t, "/cells/db")
	conf, err := os.OpenFile(filepath.Join(r.dir, "rc.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = conf.WriteString("runcell_reserve='22/tcp 192.0.2.1'\n")
	if err := errors.Join(err, conf.Close()); err != nil {
		t.Fatal(err)
	}
	r.want("start", `recover
		reserve 22/tcp 192.0.2.1
		state db
		--log /log/db.log run --detach --bundle /cells/db db
		service start --autostart`)
}

func TestStartGoesOn(t *testing.T) {
	r := newRC(t, "/cells/broken /cells/db")
	calls, out, ok := r.do("start")
	if ok || !strings.Contains(calls, "/cells/db db") || !strings.Contains(out, "no such bundle") {
		t.Errorf("start = %v, called %q, printed %q; want it to fail, to say why, and to start db", ok, calls, out)
	}
}

// What recover can't take away is told, and keeps no cell down.
func TestStartAfterRecoverFailed(t *testing.T) {
	r := newRC(t, "/cells/db")
	if err := os.WriteFile(filepath.Join(r.dir, "run/unreadable"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	calls, out, ok := r.do("start")
	if ok || !strings.Contains(calls, "/cells/db db") || !strings.Contains(calls, "service start --autostart") || !strings.Contains(out, "read state") {
		t.Errorf("start = %v, called %q, printed %q; want a failure, its reason, and all started", ok, calls, out)
	}
}

// Two bundles of one name: the second is refused and says so, or has another name.
func TestOneName(t *testing.T) {
	r := newRC(t, "/cells/a/web /cells/b/web")
	calls, out, ok := r.do("start")
	if ok || strings.Contains(calls, "/cells/b/web") || !strings.Contains(out, "web is the name of two bundles: /cells/b/web is not started") {
		t.Errorf("start = %v, called %q, printed %q; want the second one refused", ok, calls, out)
	}
	r = newRC(t, "/cells/a/web two=/cells/b/web /cells/c/x=y")
	r.want("start", `recover
		state web
		--log /log/web.log run --detach --bundle /cells/a/web web
		state two
		--log /log/two.log run --detach --bundle /cells/b/web two
		state x=y
		--log /log/x=y.log run --detach --bundle /cells/c/x=y x=y
		service start --autostart`)
	r.want("stop", `service stop --all
		state x=y
		stop --time 1 x=y
		delete --force x=y
		state two
		stop --time 1 two
		delete --force two
		state web
		stop --time 1 web
		delete --force web`)
}
