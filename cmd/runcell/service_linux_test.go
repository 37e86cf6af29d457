package main

// Declared cells, with the installed programs.

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/cmd/internal/jsontest"
	"github.com/netbsd-cells/runcell/runtime"
)

// service runs a command on this world's declarations.
func (w *world) service(args ...string) (string, int) {
	w.Helper()
	return w.run(append([]string{"service", "--etc", w.dir + "/etc", "--db", w.dir + "/db"}, args...)...)
}

// want runs one that has to end with a status, and gives what it prints.
func (w *world) want(status int, args ...string) string {
	w.Helper()
	out, got := w.service(args...)
	if got != status {
		w.Fatalf("service %q: status %d; want %d\n%s", args, got, status, out)
	}
	return out
}

// declare writes a declaration of the image web:1 that runs a shell's line.
func (w *world) declare(name, script string, more ...string) {
	w.Helper()
	text := "image = web:1\nstore = " + w.dir + "/store\nstop-time = 1\nlog-file = " + w.dir + "/" + name + ".log\ncommand = -c \"" + script + "\"\n"
	w.write("etc/runcell/"+name+".cell", text+strings.Join(more, "\n")+"\n")
}

const long = "trap 'echo bye; exit 0' TERM; echo begins; while :; do sleep 0.1; done"

func TestService(t *testing.T) {
	w := newWorld(t)
	w.declare("web", long, "require = db", "env = A=1", "autostart = yes")
	w.declare("db", long, "volume = data:/data")
	w.declare("broken", "exit 3", "restart = no")
	w.write("etc/runcell/odd.cell", "imgae = x\n")
	lives := func(name string) int { return strings.Count(w.read(name+".log"), "begins") }

	// In order; one that can't be read and one that dies keep no other down.
	out := w.want(1, "start", "--all")
	if db, web := strings.Index(out, "db: started"), strings.Index(out, "web: started"); db < 0 || web < db || !strings.Contains(out, "odd.cell:1: unknown key") {
		t.Errorf("start says %q; want db before web, and the mistake", out)
	}
	w.until("both run", func() bool { return lives("db") == 1 && lives("web") == 1 })
	if out := w.want(0, "start", "web"); out != "web: runs already\n" {
		t.Errorf("a second start says %q", out)
	}
	if fi, err := os.Stat(w.dir + "/db/data/data"); err != nil || !fi.IsDir() {
		t.Errorf("the data directory: %v", err)
	}

	t.Run("status", func(t *testing.T) {
		if out := w.want(0, "status", "web", "db"); strings.Count(out, "running") != 2 {
			t.Errorf("status says %q", out)
		}
		if out := w.want(1, "status", "broken"); !strings.Contains(out, "dead (3)") || !strings.Contains(out, w.dir+"/broken.log") {
			t.Errorf("status says %q of one that died", out)
		}
		jsontest.Check(t, "../../docs", "service status", []byte(w.want(1, "status", "--format", "json", "web", "broken")))
		jsontest.Check(t, "../../docs", "service list", []byte(w.want(0, "list", "--format", "json", "web", "db")))
		w.want(1, "status", "odd")
		w.want(1, "status")
		if out, status := w.service("status", "nosuch"); status != 1 || !strings.Contains(out, "nosuch.cell") {
			t.Errorf("status of what is not declared: %d, %q", status, out)
		}
	})
	t.Run("check", func(t *testing.T) {
		if out := w.want(0, "check", "web", "db"); strings.Count(out, "as declared") != 2 {
			t.Errorf("check says %q", out)
		}
		w.declare("web", long, "require = db", "env = A=2", "autostart = yes", "restart = always")
		out := w.want(2, "check", "web")
		if out != "web: running; a restart changes:\n  process.env[1]: \"A=1\" -> \"A=2\"\n  restart: on-failure -> always\n" {
			t.Errorf("check says %q of a change", out)
		}
		if out := w.want(1, "diff", "web"); strings.Count(out, "\n") != 2 || w.want(1, "check", "odd") == "" {
			t.Errorf("diff says %q", out)
		}
		if lives("web") != 1 {
			t.Error("check has started something")
		}
		w.want(0, "restart", "web")
		w.until("it runs again", func() bool { return lives("web") == 2 })
		w.want(0, "check", "web")
		w.want(0, "diff", "web")
	})
	t.Run("a change that can't be started", func(t *testing.T) {
		was := w.read("etc/runcell/web.cell")
		w.image("web:0", "zero")
		for line, says := range map[string]string{
			"port = 80:80": "80:80", "network = bridge": "bridge", "network = none\naddress = wm0=192.0.2.1/24": "address",
			"volume = " + w.dir + "/nosuch:/x": w.dir + "/nosuch is not there", "image": "no root file system of nosuch:1; what runs is left alone",
		} {
			text := was + line + "\n"
			if line == "image" {
				text = strings.Replace(was, "web:1", "nosuch:1", 1)
			}
			w.write("etc/runcell/web.cell", text)
			if out := w.want(1, "restart", "web"); !strings.Contains(out, says) || strings.Contains(out, "exit status") {
				t.Errorf("restart with %q says %q; want %q", line, out, says)
			}
			if line != "image" { // which an upgrade takes another one of
				if out := w.want(1, "upgrade", "web", "web:0"); !strings.Contains(out, says) {
					t.Errorf("upgrade with %q says %q; want %q", line, out, says)
				}
			}
			if st, err := lockHolder(w.dir + "/state/@services/web.lock"); err != nil || st == 0 || lives("web") != 2 {
				t.Fatalf("with %q it does not run on: %d, %v, %d lives", line, st, err, lives("web"))
			}
		}
		// The others are started again, where the file can be read.
		w.write("etc/runcell/web.cell", was+"volume = "+w.dir+"/nosuch:/x\n")
		before := lives("db")
		if out := w.want(1, "restart", "web", "db"); !strings.Contains(out, "db: started") || strings.Contains(out, "web: st") {
			t.Errorf("restart says %q", out)
		}
		w.until("the other one runs again", func() bool { return lives("db") == before+1 })
		w.write("etc/runcell/web.cell", was)
		w.want(0, "status", "web")
	})
	t.Run("crash", func(t *testing.T) {
		if out := w.ok("inspect", "--format", "json", "web"); !strings.Contains(out, `"restarts": 0,`) {
			t.Errorf("inspect says %s before", out)
		}
		w.ok("kill", "web", "KILL")
		w.until("it runs again", func() bool { return lives("web") == 3 })
		if out := w.ok("inspect", "--format", "json", "web"); !strings.Contains(out, `"restarts": 1,`) {
			t.Errorf("inspect says %s of one that was started again", out)
		}
	})
	t.Run("paused and stopped", func(t *testing.T) {
		w.ok("pause", "web")
		if out, start := w.want(1, "status", "web"), w.want(0, "start", "web"); !strings.Contains(out, " paused ") || start != "web: paused\n" {
			t.Errorf("status says %q, start %q of one that is paused", out, start)
		}
		w.ok("resume", "web")
		w.ok("stop", "web")
		w.until("its keeper has gone", func() bool { n, _ := lockHolder(w.dir + "/state/@services/web.lock"); return n == 0 })
		if out := w.want(1, "status", "web"); !strings.Contains(out, " stopped ") {
			t.Errorf("status says %q of one that runcell stop has stopped", out)
		}
		before := lives("web")
		w.want(0, "start", "web")
		w.until("it runs again", func() bool { return lives("web") == before+1 })
	})
	t.Run("dead supervisor", func(t *testing.T) {
		pid, err := lockHolder(w.dir + "/state/@services/db.lock")
		if err != nil || pid == 0 {
			t.Fatal(pid, err)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		w.until("it is gone", func() bool { n, _ := lockHolder(w.dir + "/state/@services/db.lock"); return n == 0 })
		if out := w.want(1, "status", "db"); !strings.Contains(out, "dead") {
			t.Errorf("status says %q", out)
		}
		before := lives("db")
		w.want(0, "start", "db")
		w.until("it runs again", func() bool { return lives("db") == before+1 })
	})
	t.Run("another's name", func(t *testing.T) {
		w.declare("guest", long)
		w.ok("run", "--keep", "--image", "web:1", "--store", w.dir+"/store", "guest")
		if out := w.want(1, "start", "guest"); !strings.Contains(out, "another container has the name") {
			t.Errorf("start says %q", out)
		}
		w.ok("delete", "guest")
		w.want(0, "start", "guest")
	})
	t.Run("a declaration that broke", func(t *testing.T) {
		was := w.read("etc/runcell/guest.cell")
		w.write("etc/runcell/guest.cell", "imgae = x\n")
		if out := w.want(1, "restart", "guest"); !strings.Contains(out, "imgae") || !strings.Contains(w.out("list"), "guest") {
			t.Errorf("restart with a mistake in the file says %q; want that it runs on", out)
		}
		if err := os.Remove(w.dir + "/etc/runcell/guest.cell"); err != nil {
			t.Fatal(err)
		}
		if out := w.want(1, "status"); !strings.Contains(out, "not declared any more") {
			t.Errorf("status says %q of what is not declared any more", out)
		}
		if out := w.want(1, "stop", "guest"); !strings.Contains(out, "guest: stopped") {
			t.Errorf("stop says %q", out)
		}
		w.want(1, "stop", "guest") // of which nothing is known by now
		if out := w.want(0, "prune", "guest"); out != "guest: removed, with all its roots\n" {
			t.Errorf("prune says %q of what is not declared any more", out)
		}
		if left, _ := filepath.Glob(w.dir + "/db/services/*guest*"); len(left) > 0 {
			t.Errorf("prune leaves %q", left)
		}
		w.want(1, "prune", "guest")
		w.write("etc/runcell/guest.cell", was)
	})
	t.Run("enable", func(t *testing.T) {
		if out := w.want(1, "enable", "web"); !strings.Contains(out, "no rc.d scripts") {
			t.Errorf("without rc.d enable says %q", out)
		}
		if err := os.Mkdir(w.dir+"/etc/rc.d", 0o755); err != nil {
			t.Fatal(err)
		}
		w.want(0, "enable", "web", "db")
		if got := w.read("etc/rc.d/cell_web"); !strings.Contains(got, "# REQUIRE: runcell cell_db\n") || w.read("etc/rc.conf.d/cell_web") != "cell_web=YES\n" {
			t.Errorf("enable wrote %q", got)
		}
		w.want(0, "disable", "web", "db")
		if list, _ := filepath.Glob(w.dir + "/etc/rc*/*"); len(list) > 0 {
			t.Errorf("disable leaves %q", list)
		}
	})
	t.Run("stop", func(t *testing.T) {
		out := w.want(1, "stop", "--all") // of odd nothing is known
		if web, db := strings.Index(out, "web: stopped"), strings.Index(out, "db: stopped"); web < 0 || db < web {
			t.Errorf("stop says %q; want the opposite order", out)
		}
		w.want(1, "status")
		if out := w.want(1, "status", "web"); !strings.Contains(out, "stopped") || w.out("list", "--quiet") != "" {
			t.Errorf("after stop: %q", out)
		}
	})
	t.Run("boot", func(t *testing.T) {
		if err := os.RemoveAll(w.dir + "/state"); err != nil { // as after a power failure
			t.Fatal(err)
		}
		if err := os.Remove(w.dir + "/etc/runcell/odd.cell"); err != nil {
			t.Fatal(err)
		}
		if out := w.want(0, "start", "--autostart"); out != "web: started\n" {
			t.Errorf("at boot %q is started", out)
		}
		w.want(0, "stop", "--all")
	})
	t.Run("whose file", func(t *testing.T) {
		if err := os.Chmod(w.dir+"/etc/runcell/web.cell", 0o666); err != nil {
			t.Fatal(err)
		}
		if out := w.want(1, "start", "web"); !strings.Contains(out, "chmod go-w") {
			t.Errorf("a declaration that all can write: %q", out)
		}
	})
}

// Commands that come at the same time come one after the other: as many starts
// as there may be make one root and one supervisor, and whatever is stopped last
// is down. A start that is overtaken by a stop says so.
func TestServiceAtOnce(t *testing.T) {
	w := newWorld(t)
	w.declare("web", long)
	type ending struct {
		cmd *exec.Cmd
		out *bytes.Buffer
	}
	atOnce := func(verbs ...string) (out string) {
		var all []ending
		for _, verb := range verbs {
			cmd, out := w.begin("service", "--etc", w.dir+"/etc", "--db", w.dir+"/db", verb, "web")
			all = append(all, ending{cmd, out})
		}
		for _, e := range all {
			status, verb := w.ended(e.cmd), e.cmd.Args[len(e.cmd.Args)-2]
			// TERM comes to what still prepares the cell, or to what is about to run it.
			overtaken := status == 1 && (strings.Contains(e.out.String(), "interrupted by SIGTERM") || strings.Contains(e.out.String(), "did not start (signal: terminated)"))
			if status != 0 && !overtaken && verb != "status" { // for which it may be down meanwhile
				t.Errorf("of %q at once: %q ends with %q", verbs, verb, e.out)
			}
			out += e.out.String()
		}
		return out
	}
	out := atOnce("start", "start", "start", "start")
	if strings.Count(out, "web: started") != 1 || strings.Count(out, "runs already")+strings.Count(out, "is being started") != 3 {
		t.Errorf("four starts say %q", out)
	}
	w.until("it runs", func() bool { return strings.Contains(w.read("web.log"), "begins") })
	w.image("web:2", "two")
	atOnce("upgrade", "start", "upgrade", "status", "start")
	atOnce("stop", "stop", "restart")
	atOnce("start", "stop", "restart", "stop")
	w.want(0, "stop", "web")
	if out := w.want(1, "status", "web"); !strings.Contains(out, "stopped") || w.out("list", "--quiet") != "" {
		t.Errorf("after a stop: %q", out)
	}
	if left, _ := filepath.Glob(w.dir + "/db/services/web/*"); len(left) != 3 {
		t.Errorf("there are %q; want root 1, bundle and roots.json", left)
	}
}

// Whatever names data directories have, each cell keeps its own.
func TestServiceData(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"x.new", "x"} {
		w.declare(strings.ReplaceAll(name, ".", "_"), "echo "+name+" >>/data/f", "volume = "+name+":/data")
	}
	w.want(0, "start", "x_new")
	w.until("it has written", func() bool { return w.read("db/data/x.new/f") == "x.new\n" })
	w.want(0, "start", "x")
	w.until("it has written", func() bool { return w.read("db/data/x/f") != "" })
	if got := w.read("db/data/x/f") + w.read("db/data/x.new/f"); got != "x\nx.new\n" {
		t.Errorf("the directories have %q", got)
	}
	w.want(0, "stop", "--all")
}

// An upgrade and a rollback keep settings and data, and the old root is there
// until it is pruned.
func TestServiceUpgrade(t *testing.T) {
	w := newWorld(t)
	const script = "echo begins; cat /version; echo $A >>/data/n; echo x >>/n; " + long
	w.declare("web", script, "# a note", "volume = data:/data", "env = A=1")
	before := w.read("etc/runcell/web.cell")
	runs := func(version string) {
		t.Helper()
		w.until("it runs on "+version, func() bool { return strings.HasSuffix(w.read("web.log"), version+"\nbegins\n") })
	}
	changed := func(image string) {
		t.Helper()
		if out, status := w.run("image", "diff", "web"); status != 1 || !strings.Contains(out, "/n") {
			t.Errorf("image diff: status %d, %q", status, out)
		}
		if out := w.ok("inspect", "--format", "table", "web"); !strings.Contains(out, "localhost/"+image+" sha256:") || !strings.Contains(w.ok("list"), image) {
			t.Errorf("inspect says %q; want the image %s", out, image)
		}
	}
	w.want(0, "start", "web")
	runs("one")
	changed("web:1")
	if out := w.want(0, "upgrade", "web"); !strings.Contains(out, "has already") {
		t.Errorf("an upgrade to the same image says %q", out)
	}
	w.want(1, "rollback", "web")
	if out := w.want(1, "upgrade", "web", "nosuch"); !strings.Contains(out, "nosuch") || w.want(0, "check", "web") == "" {
		t.Errorf("an upgrade to an image that is not there says %q", out)
	}

	w.image("web:2", "two")
	if out := w.want(0, "upgrade", "web", "web:2"); out != "web: root 2, of web:2; started\n" {
		t.Errorf("upgrade says %q", out)
	}
	runs("two")
	changed("web:2")
	if got, want := w.read("etc/runcell/web.cell"), strings.Replace(before, "web:1", "web:2", 1); got != want {
		t.Errorf("the declaration is\n%s\nwant\n%s", got, want)
	}
	w.want(0, "rollback", "web")
	runs("one")
	changed("web:1")
	if got := w.read("etc/runcell/web.cell"); got != before {
		t.Errorf("after the rollback the declaration is\n%s", got)
	}
	if old, data := w.read("db/services/web/1/rootfs/n"), w.read("db/data/data/n"); old != "x\nx\n" || data != "1\n1\n1\n" {
		t.Errorf("the old root has %q, the data %q; want two lives, and three", old, data)
	}

	// The same name is another image by now.
	w.image("web:1", "three")
	w.want(0, "upgrade", "web")
	runs("three")
	if out := w.want(0, "prune", "web"); out != "web: removed root 1 (web:1), root 2 (web:2)\n" {
		t.Errorf("prune says %q", out)
	}
	if list, _ := filepath.Glob(w.dir + "/db/services/web/*/rootfs"); len(list) != 1 || w.want(0, "status", "web") == "" {
		t.Errorf("after prune there are %q", list)
	}
	w.want(1, "rollback", "web")

	// One that can't run says how to go back.
	w.image("web:bad", "bad")
	w.declare("web", "exit 3", "restart = no")
	w.want(0, "stop", "web")
	w.declare("web", "cat /version >>/n2; "+long)
	w.want(0, "start", "web")
	if err := os.Remove(w.dir + "/rootfs/bin/sh"); err != nil {
		t.Fatal(err)
	}
	w.ok("image", "pack", "--store", w.dir+"/store", "--entrypoint", "/bin/sh", w.dir+"/rootfs", "web:bad")
	if out := w.want(1, "upgrade", "web", "web:bad"); !strings.Contains(out, "service rollback web") || !strings.Contains(out, "/bin/sh") {
		t.Errorf("an upgrade to what can't run says %q", out)
	}
	w.want(0, "rollback", "web")
	w.want(0, "status", "web")
	w.want(0, "stop", "web")
}

// A cell moves byte for byte: packed again on the other side, its files give the
// same digests; and it runs.
func TestServiceMoves(t *testing.T) {
	w := newWorld(t)
	w.declare("web", "echo begins; echo x >>/n; "+long, "# a note", "volume = data:/data", "user = 5:6")
	// A file that can't be written is told of before anything is looked at, or packed.
	if out := w.want(1, "export", "web", w.dir+"/missing/web.tar"); !strings.Contains(out, "write "+w.dir+"/missing/web.tar: ") {
		t.Errorf("export to where no file can be says %q", out)
	}
	w.want(0, "start", "web")
	w.until("it runs", func() bool { return strings.Contains(w.read("web.log"), "begins") })
	if out := w.want(1, "export", "web", w.dir+"/web.tar"); !strings.Contains(out, "stop it first") {
		t.Errorf("export of what runs says %q", out)
	}
	w.want(0, "stop", "web")
	data := w.dir + "/db/data/data"
	w.write("db/data/data/file", "content")
	for _, err := range []error{
		os.Chown(data+"/file", 7, 8), os.Chmod(data+"/file", 0o4751), os.Symlink("/etc/passwd", data+"/link"), os.Link(data+"/file", data+"/hard"),
		os.Mkdir(data+"/empty", 0o1777), os.Truncate(w.write("db/data/data/hole", "x"), 20<<20),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	w.want(0, "export", "web", w.dir+"/web.tar")
	w.want(1, "import", w.dir+"/web.tar") // it is here
	other := []string{"service", "--etc", w.dir + "/etc2", "--db", w.dir + "/db2"}
	w.ok(append(other, "import", w.dir+"/web.tar")...)
	digest := func(dir string) string {
		return w.ok("image", "pack", "--cmd", "/", "--mtime", "0", dir, "oci:"+w.dir+"/compare:x") + w.ok("image", "pack", "--cmd", "/", dir, "oci:"+w.dir+"/compare:y")
	}
	for _, dir := range []string{"data/data", "services/web/1/rootfs"} {
		if a, b := digest(w.dir+"/db/"+dir), digest(w.dir+"/db2/"+dir); a != b {
			t.Errorf("%s is not the same: %s, %s", dir, a, b)
		}
	}
	if a, b := w.read("etc/runcell/web.cell"), w.read("etc2/runcell/web.cell"); a != b {
		t.Errorf("the declaration is\n%s\nwant\n%s", b, a)
	}
	before := strings.Count(w.read("web.log"), "begins")
	w.ok(append(other, "start", "web")...)
	w.until("it runs there", func() bool { return strings.Count(w.read("web.log"), "begins") > before })
	w.ok(append(other, "stop", "web")...)

	// A directory that is seen at two places is moved once; what a command left
	// that was killed goes with the next.
	w.declare("twice", "echo x >>/a/f", "volume = both:/a", "volume = both:/b:ro", "restart = no")
	w.want(0, "start", "twice")
	w.until("it has ended", func() bool {
		return w.read("db/data/both/f") == "x\n" && !strings.Contains(w.out("list", "--quiet"), "twice")
	})
	w.want(0, "stop", "twice")
	w.write("db/moving.1/root/f", "x")
	w.write("db/gone.moving.2/f", "x")
	w.want(0, "export", "twice", w.dir+"/twice.tar")
	w.write("db2/moving.3/f", "x")
	w.ok(append(other, "import", w.dir+"/twice.tar")...)
	if got := w.read("db2/data/both/f"); got != "x\n" {
		t.Errorf("the data is %q", got)
	}
	// One that can't be whole is not there in part: where its last file goes there
	// is no room.
	if out, status := w.run("service", "--etc", w.dir+"/rootfs/bin/sh", "--db", w.dir+"/db4", "import", w.dir+"/twice.tar"); status != 1 {
		t.Errorf("an import without a place for the declaration: %d, %q", status, out)
	}
	for _, left := range []string{"db4/data/*", "db4/services/*"} {
		if list, _ := filepath.Glob(w.dir + "/" + left); len(list) > 0 {
			t.Errorf("a part of it is there: %q", list)
		}
	}

	// What is no export, or is cut off, leaves nothing.
	for _, bad := range []string{w.write("text", "x"), w.write("cut", w.read("web.tar")[:20000]), w.dir + "/rootfs/bin/sh"} {
		if out, status := w.run("service", "--etc", w.dir+"/etc3", "--db", w.dir+"/db3", "import", bad); status != 1 || !strings.Contains(out, bad) {
			t.Errorf("import of %s: status %d, %q", bad, status, out)
		}
	}
	for _, left := range []string{"etc3/runcell/*", "db3/*", "db/moving/*", "db2/moving/*", "*/gone*"} {
		if list, _ := filepath.Glob(w.dir + "/" + left); len(list) > 0 {
			t.Errorf("left behind: %q", list)
		}
	}
}

// A supervisor that is killed at whatever moment keeps nothing down.
func TestServiceKilled(t *testing.T) {
	w := newWorld(t)
	w.declare("web", long, "restart = always")
	held := func() (pid int) {
		pid, _ = lockHolder(w.dir + "/state/@services/web.lock")
		return pid
	}
	for i := range 12 {
		cmd, out := w.begin("service", "--etc", w.dir+"/etc", "--db", w.dir+"/db", "start", "web")
		w.until("there is a supervisor", func() bool { return held() > 0 })
		time.Sleep(time.Duration(i*i) * time.Millisecond) // whatever it does then
		if pid := held(); pid > 0 {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		_ = cmd.Wait()
		w.until("it is gone", func() bool { return held() == 0 })
		if i%3 == 0 {
			continue // the next start comes upon what is left
		}
		w.want(0, "start", "web")
		if got := w.want(0, "status", "web"); !strings.Contains(got, "running") {
			t.Errorf("after kill %d: %s\nthe start said %s", i, got, out)
		}
		w.want(0, "stop", "web")
		if got := w.out("list", "--quiet"); got != "" {
			t.Errorf("after kill %d and stop there is %q", i, got)
		}
	}
}

// What is declared is one thing, what runs another: a stop keeps to what runs.
func TestServiceChangedWhileItRuns(t *testing.T) {
	w := newWorld(t)
	w.declare("web", "trap 'sleep 3; echo slow; exit 0' TERM; echo begins; while :; do sleep 0.1; done", "# stop-time below")
	text := w.read("etc/runcell/web.cell")
	w.write("etc/runcell/web.cell", strings.Replace(text, "stop-time = 1", "stop-time = 60", 1))
	w.want(0, "start", "web")
	w.until("it runs", func() bool { return strings.Contains(w.read("web.log"), "begins") })
	w.write("etc/runcell/web.cell", strings.Replace(text, "stop-time = 1", "stop-time = 0", 1))
	if out := w.want(0, "stop", "web"); !strings.Contains(out, "1m0s at most") || !strings.Contains(w.read("web.log"), "slow\n") {
		t.Errorf("stop says %q, the log has %q; want the time that it was started with", out, w.read("web.log"))
	}

	// A declaration can be a link: an upgrade writes where it leads.
	w.image("web:2", "two")
	w.write("kept/web.cell", text)
	if err := errors.Join(os.Remove(w.dir+"/etc/runcell/web.cell"), os.Symlink(w.dir+"/kept/web.cell", w.dir+"/etc/runcell/web.cell")); err != nil {
		t.Fatal(err)
	}
	w.want(0, "upgrade", "web", "web:2")
	if got, err := os.Readlink(w.dir + "/etc/runcell/web.cell"); err != nil || got == "" || !strings.Contains(w.read("kept/web.cell"), "web:2") {
		t.Errorf("after the upgrade the link is %q, %v, and its file %q", got, err, w.read("kept/web.cell"))
	}
}

// A log that can't be one is refused before anything is made, and nothing hangs.
func TestServiceLog(t *testing.T) {
	w := newWorld(t)
	w.declare("web", long)
	log := w.dir + "/web.log"
	for what, put := range map[string]func() error{
		"a link": func() error { return os.Symlink(w.write("other", "x"), log) }, "a FIFO": func() error { return syscall.Mkfifo(log, 0o600) },
		"a directory": func() error { return os.Mkdir(log, 0o700) },
	} {
		if err := put(); err != nil {
			t.Fatal(err)
		}
		if out := w.want(1, "start", "web"); !strings.Contains(out, "a log is a file") || w.out("list", "--quiet") != "" || w.read("other") != "x" && what == "a link" {
			t.Errorf("a log that is %s: %q", what, out)
		}
		if err := os.Remove(log); err != nil {
			t.Fatal(err)
		}
	}
	// Its disk is full for a while: the program runs on, and what is lost is told. It says
	// more than the disk and a pipe hold together.
	disk := w.dir + "/disk"
	if err := errors.Join(os.Mkdir(disk, 0o700), syscall.Mount("none", disk, "tmpfs", 0, "size=16k")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, 2) }) // MNT_DETACH
	w.write("etc/runcell/web.cell", strings.NewReplacer(log, disk+"/web.log", "echo begins;", "echo begins; i=0; while [ $i -lt 2999 ]; do echo 0123456789012345678901234567890123456789; i=$((i+1)); done; echo x >/full;").Replace(w.read("etc/runcell/web.cell")))
	w.want(0, "start", "web")
	w.until("it does not wait for the disk", func() bool { return w.read("db/services/web/1/rootfs/full") == "x\n" })
	if err := os.Truncate(disk+"/web.log", 0); err != nil {
		t.Fatal(err)
	}
	w.want(0, "stop", "web")
	if got := w.read("disk/web.log"); !regexp.MustCompile(`bytes were lost here: .*\nbye\nruncell: .* ended with status 0, as was asked for\n$`).MatchString(got) {
		t.Errorf("after the disk was full the log has %q", got)
	}
}

// Whatever the clock says: it was set back while a cell was started.
func TestServiceClock(t *testing.T) {
	for _, c := range []struct {
		state runtime.State
		want  bool
	}{
		{runtime.State{Bundle: "/b", Status: runtime.Running, Created: time.Unix(0, 0)}, true},
		{runtime.State{Bundle: "/b", Status: runtime.Stopped, Created: time.Now().Add(time.Hour)}, true},
		{runtime.State{Bundle: "/b", Status: runtime.Created}, false},
		{runtime.State{Bundle: "/b", Status: runtime.Creating}, false},
		{runtime.State{Bundle: "/other", Status: runtime.Running, Created: time.Now()}, false},
	} {
		if got := hasBegun(&c.state, "/b"); got != c.want {
			t.Errorf("hasBegun(%+v) = %v", c.state, got)
		}
	}
}
