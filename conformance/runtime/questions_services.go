package runtime

// The questions about a service: how it gets a newer image, how it gets the old one
// back, and how it gets to another machine. Each is asked with one line.

import (
	"os"
	"strings"

	h "github.com/netbsd-cells/runcell/conformance/harness"
)

// declared is a cell that is declared, and runs an image that says which one it is.
type declared struct {
	*t
	name         string
	store, log   string
	before       string // the declaration
	etc, db      string // of this machine
	etc2, db2    string // of another one
	firstVersion string
}

// declare makes the images v:1 and v:2 and declares a cell that runs the first, with
// a data directory, and starts it.
func declare(t *t) *declared {
	own(t, "service")
	d := &declared{
		t: t, name: t.ID(), store: t.Path("store"), log: t.Path("log"),
		etc: t.Path("here", "etc"), db: t.Path("here", "db"), etc2: t.Path("there", "etc"), db2: t.Path("there", "db"), firstVersion: "one",
	}
	root := t.Bundle(h.Idle).RootFS
	for image, version := range map[string]string{"v:1": d.firstVersion, "v:2": "two"} {
		t.Must("write version", os.WriteFile(root("etc", "version"), []byte(version), 0o644))
		args := []string{"image", "pack", "--store", d.store}
		for _, arg := range []string{h.ProbePath, "read", "/etc/version", ";", "read", "/data/kept", ";", "trap", "0"} {
			args = append(args, "--cmd", arg)
		}
		t.OK(append(args, root(), image)...)
	}
	d.before = t.ReadFile(t.WriteFile("# a note\nimage = v:1\nstore = "+d.store+"\nstop-time = 1\nvolume = kept:/data\nenv = A=1\nlog-file = "+d.log+"\n",
		"here", "etc", "runcell", d.name+".cell"))
	t.WriteFile("mine", "here", "db", "data", "kept", "kept")
	t.Cleanup(func() {
		for _, place := range [][2]string{{d.etc, d.db}, {d.etc2, d.db2}} {
			if h.Exists(place[0]) {
				t.OK("service", "--etc", place[0], "--db", place[1], "stop", "--all")
			}
		}
		// It stays between two lives, since who holds it keeps the cell going.
		for _, lock := range []string{".lock", ".busy"} { // they stay where a cell was, and hold nothing
			_ = os.Remove(t.Root + "/@services/" + d.name + lock)
		}
	})
	d.here("start", d.name)
	d.runs("one", 1)
	return d
}

// here asks on this machine.
func (d *declared) here(args ...string) string {
	return d.OK(append([]string{"service", "--etc", d.etc, "--db", d.db}, args...)...).Stdout
}

// there asks on the other one.
func (d *declared) there(args ...string) string {
	return d.OK(append([]string{"service", "--etc", d.etc2, "--db", d.db2}, args...)...).Stdout
}

// says checks an answer.
func (d *declared) says(answer, want string) {
	if answer != d.name+": "+want+"\n" {
		d.Errorf("the answer is %q; want %q", answer, want)
	}
}

// runs waits until the cell has been started so often, and checks what image it runs
// now, with its data.
func (d *declared) runs(version string, lives int) {
	var last []string
	d.Eventually(func() bool {
		last = nil
		text, err := os.ReadFile(d.log)
		if err != nil {
			return false
		}
		begun := 0
		for _, line := range h.ParseLines(string(text)) {
			switch line.Op {
			case "read":
				last = append(last, line.Text)
			case "ready":
				begun++
			}
		}
		return begun == lives
	}, "it has not begun %d times; its log is %s", lives, d.log)
	if want := []string{version, "mine"}; len(last) < 2 || strings.Join(last[len(last)-2:], " ") != strings.Join(want, " ") {
		d.Errorf("it reads %q; want %q at the end", last, want)
	}
}

func (d *declared) declaration(etc, want string) {
	if got := d.ReadFile(etc + "/runcell/" + d.name + ".cell"); got != want {
		d.Errorf("the declaration is %q; want %q", got, want)
	}
}

func askUpgrade(t *t) {
	d := declare(t)
	d.says(d.here("upgrade", d.name, "v:2"), "root 2, of v:2; started")
	d.runs("two", 2)
	d.declaration(d.etc, strings.Replace(d.before, "v:1", "v:2", 1))
	d.says(d.here("check", d.name), "running, as declared")
}

// askServiceFiles: what changed in a declared cell's files.
func askServiceFiles(t *t) {
	d := declare(t)
	root := d.db + "/services/" + d.name + "/1/rootfs"
	t.Must("change a file", os.WriteFile(root+"/etc/version", []byte("mine"), 0o644))
	if r := t.Try("image", "diff", d.name); r.Code != 1 || !strings.Contains(r.Stdout, "/etc/version") {
		t.Errorf("want the file of a declared cell, and 1: %s", r)
	}
}

func askRollback(t *t) {
	d := declare(t)
	d.here("upgrade", d.name, "v:2")
	d.runs("two", 2)
	d.says(d.here("rollback", d.name), "root 1, of v:1; started")
	d.runs("one", 3)
	d.declaration(d.etc, d.before)
	t.Refused("service", "--etc", d.etc, "--db", d.db, "rollback", d.name) // there is none before
}

func askMove(t *t) {
	d := declare(t)
	file := t.Path("moved")
	t.Refused("service", "--etc", d.etc, "--db", d.db, "export", d.name, file) // it runs
	d.here("stop", d.name)
	d.says(d.here("export", d.name, file), "exported to "+file)
	if answer := d.there("import", file); !strings.HasPrefix(answer, d.name+": imported") {
		t.Errorf("the answer is %q", answer)
	}
	d.there("start", d.name)
	d.runs("one", 2)
	d.declaration(d.etc2, d.before)
	if got := t.ReadFile(d.db2 + "/data/kept/kept"); got != "mine" {
		t.Errorf("its data is %q", got)
	}
}
