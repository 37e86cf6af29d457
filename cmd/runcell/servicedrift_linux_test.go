package main

// What a declaration says before it is done, with the installed programs.

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime"
)

// What could not be started is told before the first start, and beside another
// image all else that changes.
func TestServiceCheckFirst(t *testing.T) {
	w := newWorld(t)
	for line, want := range map[string]string{
		"": "web: stopped, as declared\n", "port = 80:80": "web.cell:6: port", "network = bridge": "network", "permission = mout": "did you mean mount?",
		"ulimit = nofil=3": "did you mean nofile?", "network = none\naddress = wm0=192.0.2.1/24": "address", "volume = /nonesuch:/x": "/nonesuch is not there",
	} {
		w.declare("web", long, line)
		status := 1
		if line == "" {
			status = 0
		}
		if out := w.want(status, "check", "web"); !strings.Contains(out, want) {
			t.Errorf("check of %q says %q; want %q", line, out, want)
		}
	}
	w.write("etc/runcell/.cell", "what an editor has left")
	w.declare("web", long, "require = nonesuch")
	if out := w.want(0, "check", "web"); !strings.Contains(out, "warning: web: require or before names nonesuch") {
		t.Errorf("check of a name that nobody has says %q", out)
	}
	w.declare("web", long)
	text := w.read("etc/runcell/web.cell")
	w.write("etc/runcell/web.cell", strings.Replace(text, "web:1", "nosuch:1", 1))
	if out := w.want(1, "check", "web"); !strings.Contains(out, "web: there is no root file system of nosuch:1") {
		t.Errorf("check of an image that is not there says %q", out)
	}
	w.write("etc/runcell/web.cell", text)
	w.want(0, "start", "web")
	w.image("web:2", "two")
	w.write("etc/runcell/web.cell", strings.Replace(text, "web:1", "web:2", 1)+"restart = no\npermission = mount\n")
	if out := w.want(0, "explain", "web"); !strings.Contains(out, "mount") || !strings.Contains(out, "web:2 has no root file system yet") {
		t.Errorf("explain says %q", out)
	}
	if out := w.want(2, "diff", "nosuch"); !strings.Contains(out, "nosuch.cell") {
		t.Errorf("diff of what is not declared says %q", out)
	}
	if out := w.want(2, "check", "web"); !strings.Contains(out, "\n  image: web:1 -> web:2\n") || !strings.Contains(out, "permission mount: closed -> open\n  restart: on-failure -> no\n") {
		t.Errorf("check of another image says %q", out)
	}
}

// What is typed is meant where it is typed: the runcell that keeps a cell going is
// in another directory.
func TestServiceAnywhere(t *testing.T) {
	w := &world{t, t.TempDir()}
	t.Chdir(w.dir)
	spec := oci.Example()
	spec.Process.Terminal = false
	config, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	w.write("b/config.json", string(config))
	w.write("etc/runcell/web.cell", "bundle = "+w.dir+"/b\nlog-file = "+w.dir+"/web.log\n")
	own := w.write("keeper", "#!/bin/sh\necho \"$*\" >'"+w.dir+"/called'\n")
	if err := os.Chmod(own, 0o700); err != nil {
		t.Fatal(err)
	}
	a, f := newApp(), &fake{err: runtime.ErrNotExist}
	a.Stdout = io.Discard
	a.executable = func() (string, error) { return own, nil }
	a.open = func(root, _ string, _ bool) (engine, error) { f.root = root; return f, nil }
	if status := a.main(strings.Fields("runcell --log log --root state service --etc etc --db db start web")); status != 0 {
		t.Errorf("status %d", status)
	}
	called := strings.Fields(w.read("called"))
	for i, arg := range called {
		if strings.HasPrefix(arg, "--") && i+1 < len(called) && slices.Contains([]string{"--root", "--log", "--bundle", "--lock-file", "--log-file"}, arg) && !filepath.IsAbs(called[i+1]) {
			t.Errorf("%s is %q where it is kept going", arg, called[i+1])
		}
	}
	if !slices.Contains(called, w.dir+"/state") || f.root != w.dir+"/state" || w.read("db/services/web/bundle/config.json") == "" {
		t.Errorf("it is kept going by %q; the state is in %s", called, f.root)
	}
}
