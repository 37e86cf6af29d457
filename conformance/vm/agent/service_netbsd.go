package main

// A host with three declared cells: it boots, one crashes, logs are rotated, one
// is upgraded and rolled back, it shuts down, boots, and loses its power. What rc
// would type is typed here, as the guest has no shell. A loss of power is what
// runcell sees of one: every process of the cells and of runcell killed at once.
// The state directory is as it was, as on a host whose /var/run is not in memory,
// or gone, as at the other boot here.

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// serviceRun is a demo with declared cells.
type serviceRun struct{ *demoRun }

// cells are in the order in which they have to start; their names are in another.
var cells = []struct{ name, port, more string }{
	{"db", "8081", "volume = data:/data\nautostart = yes\n"},
	{"web", "8082", "require = db\nautostart = yes\nrestart = always\n"},
	{"app", "8083", "require = web\nautostart = yes\n"},
}

// declared runs with the paths of runcell and of the web server.
func declared(args []string) error {
	s := serviceRun{&demoRun{runcell: args[0], web: args[1]}}
	var err error
	if s.dir, err = os.MkdirTemp("/tmp", "service-"); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	fmt.Println("TAP version 14")
	s.prepare()
	s.start("boot")
	s.crash()
	s.rotate()
	s.change()
	s.powerFails()
	s.shutdown()
	fmt.Printf("1..%d\n# %d passed, %d failed, 0 skipped\n", s.points, s.points-s.failed, s.failed)
	if s.failed > 0 {
		return fmt.Errorf("%d steps of the services failed", s.failed)
	}
	return os.RemoveAll(s.dir)
}

// service is an expect of the command service.
func (s serviceRun) service(name, pattern string, args ...string) {
	s.expect(name, pattern, append([]string{"service", "--etc", s.dir + "/etc", "--db", s.dir + "/db"}, args...)...)
}

func (s serviceRun) log(cell string) string { return s.dir + "/" + cell + ".log" }

// lives counts how often a cell's program has begun, by its log.
func (s serviceRun) lives(log string) int {
	b, _ := os.ReadFile(log)
	return strings.Count(string(b), "web: serves")
}

// until waits for something that another process does.
func (s serviceRun) until(name string, f func() bool) {
	for range 600 {
		if f() {
			s.point(name, nil)
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	s.point(name, errors.New("not within a minute"))
}

func (s serviceRun) prepare() {
	root := s.dir + "/rootfs"
	var errs []error
	for _, dir := range []string{"dev", "proc", "etc", "tmp"} {
		errs = append(errs, os.MkdirAll(filepath.Join(root, dir), 0o755))
	}
	b, err := os.ReadFile(s.web)
	errs = append(errs, err, os.WriteFile(root+"/web", b, 0o755), os.MkdirAll(s.dir+"/etc/runcell", 0o755))
	for i, version := range []string{"one", "two"} {
		errs = append(errs, os.WriteFile(root+"/"+version, []byte(version), 0o644))
		if i > 0 {
			errs = append(errs, os.Remove(root+"/one"))
		}
		s.expect("an image, version "+version, "", "image", "pack", "--store", s.dir+"/store", "--entrypoint", "/web", "rootfs", "web:"+version)
	}
	for _, c := range cells {
		text := "image = web:one\nstore = " + s.dir + "/store\ncommand = serve 127.0.0.1:" + c.port + "\nport = " + c.port + "\nstop-time = 20\nlog-file = " + s.log(c.name) + "\n" + c.more
		errs = append(errs, os.WriteFile(s.dir+"/etc/runcell/"+c.name+".cell", []byte(text), 0o644))
	}
	s.point("three declarations", errors.Join(errs...))
	s.service("which can be read, in the order of starting", `(?s)db.*web.*app`, "list")
}

// start is what rc.d/runcell types.
func (s serviceRun) start(when string) {
	s.expect(when+": what the last time left goes", "", "recover")
	s.service(when+": the cells start in order", `(?s)^db: started\nweb: started\napp: started\n$`, "start", "--autostart")
	s.service(when+": and run", "", "status")
	s.service(when+": as they are declared", "", "check", "--all")
	s.expect(when+": the first one answers", "hello from inside the cell", "exec", "db", "/web", "get", "http://127.0.0.1:8081/")
}

func (s serviceRun) crash() {
	s.until("the second has begun", func() bool { return s.lives(s.log("web")) == 1 })
	s.expect("it crashes", "", "kill", "web", "KILL")
	s.until("it is started again", func() bool { return s.lives(s.log("web")) == 2 })
	b, err := os.ReadFile(s.log("web"))
	if err == nil && !strings.Contains(string(b), "web ended with status 137 (SIGKILL)") {
		err = fmt.Errorf("the log has %q", b)
	}
	s.point("the log says why", err)
	s.service("all run", "", "status")
}

// rotate does what newsyslog(8) does: with a signal and without.
func (s serviceRun) rotate() {
	for i, hup := range []bool{true, false} {
		old := fmt.Sprintf("%s.%d", s.log("web"), i)
		err := os.Rename(s.log("web"), old)
		how := "without a signal"
		if hup {
			how = "with a signal"
			err = errors.Join(err, s.hup("web"))
		}
		s.point("a log is moved away, "+how, err)
		s.expect("the program says something new", "", "kill", "web", "KILL")
		s.until("that comes to a new log", func() bool { return s.lives(s.log("web")) == 1 })
	}
}

// hup signals the runcell that keeps a cell going.
func (s serviceRun) hup(cell string) error {
	pid, err := s.supervisor(cell)
	if err != nil {
		return err
	}
	return unix.Kill(pid, unix.SIGHUP)
}

func (s serviceRun) supervisor(cell string) (pid int, err error) {
	b, err := os.ReadFile(s.dir + "/state/@services/" + cell + ".lock")
	if err != nil {
		return 0, err
	}
	_, err = fmt.Sscan(string(b), &pid)
	return pid, err
}

func (s serviceRun) change() {
	data := s.dir + "/db/data/data/kept"
	s.point("data is written", os.WriteFile(data, []byte("kept"), 0o644))
	s.service("upgrade", `(?m)^db: root 2, of web:two; started$`, "upgrade", "db", "web:two")
	s.expect("it is the new version", "(?m): ok$", "exec", "db", "/web", "try", "read", "/two")
	s.expect("which has the data", "(?m): ok$", "exec", "db", "/web", "try", "read", "/data/kept")
	s.service("rollback", `(?m)^db: root 1, of web:one; started$`, "rollback", "db")
	s.expect("it is the old version", "(?m): ok$", "exec", "db", "/web", "try", "read", "/one")
	s.expect("which has the data, too", "(?m): ok$", "exec", "db", "/web", "try", "read", "/data/kept")
	s.service("what runs is what is declared", "", "check", "--all")
}

// powerFails kills all at once, and takes away what is in memory.
func (s serviceRun) powerFails() {
	var errs []error
	for _, c := range cells {
		pid, err := s.supervisor(c.name)
		errs = append(errs, err)
		if err == nil {
			errs = append(errs, unix.Kill(pid, unix.SIGKILL))
		}
	}
	s.point("power fails: who keeps the cells going is gone", errors.Join(errs...))
	for _, c := range cells {
		s.expect("power fails: "+c.name+" is gone", "", "kill", "--all", c.name, "KILL")
	}
	s.service("status says that they are dead", "(?s)dead.*dead.*dead", "status")
	s.start("after the power failure")
}

// move packs a cell, and puts it in place on another machine: other directories.
func (s serviceRun) move() {
	other := []string{"service", "--etc", s.dir + "/etc2", "--db", s.dir + "/db2"}
	s.service("a cell is packed", "(?m)^db: exported", "export", "db", s.dir+"/db.tar")
	s.expect("on another machine it is taken over", "(?m)^db: imported", append(other, "import", s.dir+"/db.tar")...)
	s.expect("it starts there", "(?m)^db: started$", append(other, "start", "db")...)
	s.expect("with its root", "(?m): ok$", "exec", "db", "/web", "try", "read", "/one")
	s.expect("and its data", "(?m): ok$", "exec", "db", "/web", "try", "read", "/data/kept")
	s.expect("it stops there", "", append(other, "stop", "db")...)
}

func (s serviceRun) shutdown() {
	s.service("shutdown: the cells stop in the opposite order", `(?m)^app: stopped\nweb: stopped\ndb: stopped$`, "stop", "--all")
	var errs []error
	for _, c := range cells {
		b, err := os.ReadFile(s.log(c.name))
		if last := regexp.MustCompile(`web: ends\nruncell: .* ended with status 0, as was asked for\n$`); err == nil && !last.Match(b) {
			err = fmt.Errorf("the log of %s has %q", c.name, b)
		}
		errs = append(errs, err)
	}
	s.point("each program had the time to end", errors.Join(errs...))
	s.expect("nothing runs", "^$", "list", "--quiet")
	s.point("the state directory is emptied", os.RemoveAll(s.dir+"/state"))
	s.start("the next boot")
	s.service("the end", "", "stop", "--all")
	s.move()
	s.service("no old root is left", "(?m)^db: removed root [0-9]+ \\([a-z:0-9]+\\)$", "prune", "--all")
}
