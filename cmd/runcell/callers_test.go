package main

// Every command line that container tools are known to use is accepted and
// reaches the runtime with the right meaning.

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/runtime"
)

const (
	containerd = "--root /run/containerd/runc/default --log LOG --log-format json "
	podman     = "--log-format=json --log LOG "
)

// someResources are what podman and containerd send to update: everything.
const someResources = `{"memory":{},"cpu":{"shares":0},"pids":{"limit":9}}`

// LOG, PROC and RES stand for files of the test; the bundle is /b.
var callerLines = []struct{ caller, line, call string }{
	{"containerd", containerd + "create --bundle /b --pid-file /b/init.pid c1", "create c1"},
	{"containerd", containerd + "create --bundle /b --pid-file /b/init.pid --console-socket /b/s c1", "create c1"},
	{"containerd", containerd + "create --bundle /b --no-pivot --no-new-keyring --detach --preserve-fds 2 --pidfd-socket /b/p c1", "create c1"},
	{"containerd", "--debug --systemd-cgroup --rootless=true " + containerd + "create --bundle /b c1", "create c1"},
	{"containerd", "--rootless=false " + containerd + "start c1", "start c1"},
	{"containerd", containerd + "exec --process PROC --console-socket /b/s --detach --pid-file /b/e.pid c1", `exec c1 ["/in/file"] detach=true`},
	{"containerd", containerd + "run --bundle /b c1", "run c1 detach=false keep=false"},
	{"containerd", containerd + "kill --all c1 9", "kill c1 9 all=true"},
	{"containerd", containerd + "kill c1 15", "kill c1 15 all=false"},
	{"containerd", containerd + "delete c1", "delete c1 force=false"},
	{"containerd", containerd + "delete --force c1", "delete c1 force=true"},
	{"containerd", containerd + "state c1", "state c1"},
	{"containerd", containerd + "list --format=json", "list"},
	{"containerd", containerd + "ps --format json c1", "ps c1"},
	{"containerd", containerd + "ps --format table c1 -ef", "ps c1"},
	{"containerd", containerd + "events --stats c1", "stats c1"},
	{"containerd", containerd + "events --interval=5s c1", "stats c1"},
	{"containerd", containerd + "update --resources=- c1", "limit c1 9"},
	{"podman", podman + "update --resources=RES c1", "limit c1 9"},
	{"podman", podman + "create --bundle /b --pid-file /b/pid --preserve-fds 1 c1", "create c1"},
	{"podman", podman + "--cgroup-manager disabled create --bundle /b --pid-file /b/pid c1", "create c1"},
	{"podman", "--systemd-cgroup " + podman + "create --bundle /b --pid-file /b/pid --no-pivot --no-new-keyring --console-socket /b/s c1", "create c1"},
	{"podman", podman + "exec --pid-file /b/e.pid --process PROC --detach --tty --console-socket /b/s c1", `exec c1 ["/in/file"] detach=true`},
	{"podman", podman + "exec --pid-file /b/e.pid --process PROC --detach --preserve-fds 1 c1", `exec c1 ["/in/file"] detach=true`},
	{"podman", "start c1", "start c1"},
	{"podman", "kill --all c1 9", "kill c1 9 all=true"},
	{"podman", "delete --force c1", "delete c1 force=true"},
	{"podman", "state c1", "state c1"},
	{"CRI-O", "--root /run/runc start c1", "start c1"},
	{"CRI-O", "--root /run/runc kill c1 SIGTERM", "kill c1 15 all=false"},
	{"CRI-O", "--root /run/runc kill -a c1 9", "kill c1 9 all=true"},
	{"CRI-O", "--root /run/runc exec --process PROC c1", `exec c1 ["/in/file"] detach=false`},
	{"buildah", "create --bundle /b --pid-file /b/pid --console-socket /b/console.sock c1", "create c1"},
	{"buildah", "kill c1", "kill c1 15 all=false"},
	{"buildah", "kill c1 SIGKILL", "kill c1 9 all=false"},
	{"buildah", "delete c1", "delete c1 force=false"},
	{"runtime-tools", "create --pid-file /b/pid --bundle /b c1", "create c1"},
	{"runtime-tools", "kill c1 TERM", "kill c1 15 all=false"},
	{"operator", "run -b /b -d --keep c1", "run c1 detach=true keep=true"},
	{"operator", "exec -t -u 10:20 -e A=1,2 -g 5 --cwd /tmp c1 ls -l --all", `exec c1 ["ls" "-l" "--all"] detach=false`},
	{"operator", "exec c1 -- ls -l", `exec c1 ["ls" "-l"] detach=false`},
	{"operator", "exec c1 sh -c state", `exec c1 ["sh" "-c" "state"] detach=false`},
	{"operator", "exec --cap CAP_X --cgroup /x --ignore-paused --no-new-privs c1 ls", `exec c1 ["ls"] detach=false`},
	{"operator", "--rootless state c1", "state c1"},
	{"operator", "--rootless=auto state c1", "state c1"},
	{"operator", "state list", "state list"}, // a container called like a command
	{"operator", "state help", "state help"},
	{"operator", "delete -f version", "delete version force=true"},
	{"operator", "ls -f json -q", "list"},
	{"operator", "wait c1", "wait c1"},
	{"operator", "update --pids-limit -1 c1", "limit c1 0"},
	{"operator", "reserve 22/tcp 192.0.2.1 192.0.2.1:53", "reserve [{22 invalid IP tcp} {53 192.0.2.1 }] [192.0.2.1]"},
	{"operator", "reserve", "reserve [] []"},
	{"operator", "update --pids-limit 0 c1", "state c1"},
}

func TestCallersAreUnderstood(t *testing.T) {
	for _, c := range callerLines {
		t.Run(c.caller+" "+c.line, func(t *testing.T) {
			dir := t.TempDir()
			proc := filepath.Join(dir, "process.json")
			if err := os.WriteFile(proc, []byte(`{"args":["/in/file"],"cwd":"/","user":{"uid":0,"gid":0}}`), 0o644); err != nil {
				t.Fatal(err)
			}
			res := filepath.Join(dir, "resources.json")
			if err := os.WriteFile(res, []byte(someResources), 0o644); err != nil {
				t.Fatal(err)
			}
			line := strings.NewReplacer("LOG", filepath.Join(dir, "log"), "PROC", proc, "RES", res).Replace(c.line)
			f := &fake{states: []*runtime.State{{ID: "c1"}}, stats: make([]kmod.Stats, 1), stdin: someResources}
			_, stderr, code := f.runcell(t, strings.Fields(line)...)
			if code != 0 || stderr != "" {
				t.Fatalf("exit code %d, stderr %q", code, stderr)
			}
			if f.call != c.call {
				t.Errorf("call = %s; want %s", f.call, c.call)
			}
		})
	}
}

func TestCreatePassesEveryFlagOn(t *testing.T) {
	f := &fake{}
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	f.runcell(t, "--root", "relative", "--strict", "--cgroup-manager", "disabled", "create", "--pid-file", "p", "--console-socket", "../s", "--pidfd-socket", "/x", "--preserve-fds", "3", "--no-pivot", "c1")
	got := f.create
	want := runtime.CreateOptions{
		ID: "c1", Bundle: wd, PidFile: filepath.Join(wd, "p"),
		ConsoleSocket: filepath.Join(filepath.Dir(wd), "s"), PidfdSocket: "/x", PreserveFDs: 3, NoPivot: true, NoCgroup: true,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("create got %+v; want %+v", got, want)
	}
	if f.root != filepath.Join(wd, "relative") || !f.strict {
		t.Errorf("opened root %q strict %v; want an absolute path and true", f.root, f.strict)
	}
}

func TestStateRoot(t *testing.T) {
	env := map[string]string{"XDG_RUNTIME_DIR": "/run/user/7"}
	for _, c := range []struct {
		name string
		euid int
		env  map[string]string
		args []string
		want string // the root, or a part of the error
		code int
	}{
		{"root", 0, env, nil, cmdline.StateRoot, 0},
		{"user", 7, env, nil, "/run/user/7/runcell", 0},
		{"user without a directory", 7, nil, nil, "XDG_RUNTIME_DIR", 1},
		{"user with a relative one", 7, map[string]string{"XDG_RUNTIME_DIR": "tmp"}, nil, "XDG_RUNTIME_DIR", 1},
		{"user with --root", 7, nil, []string{"--root", "/x"}, "/x", 0},
		{"empty --root", 0, nil, []string{"--root="}, "--root is empty", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fake{}
			_, stderr, code := f.runcellAs(t, c.euid, c.env, append(c.args, "list")...)
			if code != c.code || code == 0 && f.root != c.want || !strings.Contains(f.root+stderr, c.want) {
				t.Errorf("root %q, stderr %q, code %d; want %q, code %d", f.root, stderr, code, c.want, c.code)
			}
		})
	}
}

// A command line that asks for no help builds only the commands it names.
func TestOnlyNamedCommandsAreBuilt(t *testing.T) {
	a := newApp()
	a.embed = func() error { return nil }
	for _, c := range []struct {
		line string
		want int
	}{
		{"state c1", 1},
		{"--root list state c1", 2},
		{"", len(commands)},
		{"state --help", len(commands)},
		{"completion bash", len(commands)},
		{"nonsense", len(commands)},
	} {
		if got := len(a.root(append([]string{"runcell"}, strings.Fields(c.line)...)).Commands); got != c.want {
			t.Errorf("runcell %s builds %d commands; want %d", c.line, got, c.want)
		}
	}
	for i, cmd := range a.root(nil).Commands {
		if c := commands[i]; cmd.Name != c.name || len(cmd.Aliases) > 0 && cmd.Aliases[0] != c.alias {
			t.Errorf("command %d is %q; the table says %q", i, cmd.Names(), c.name)
		}
	}
}
