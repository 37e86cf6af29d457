package containerd

// The snapshotter of our own: roots that share what they need not write to.

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	h "github.com/netbsd-cells/runcell/conformance/harness"
)

const snapshotter = "containerd-snapshotter-runcell"

// together is how many containers are there at the same time every day; TRIES
// says more. Each takes 15 MB of memory.
const together = 8

// proxy is a snapshotter that runs.
type proxy struct {
	t    *t
	cmd  *exec.Cmd
	done chan struct{}
}

func newProxy(t *t) *proxy {
	p := &proxy{t: t}
	p.start()
	t.Cleanup(p.kill)
	return p
}

func (p *proxy) socket() string { return p.t.Path("snap.sock") }

// config is what containerd has to be told of it.
func (p *proxy) config() string {
	return fmt.Sprintf(`[proxy_plugins.runcell]
  type = "snapshot"
  address = %q
[[plugins."io.containerd.transfer.v1.local".unpack_config]]
  platform = "netbsd/%s"
  snapshotter = "runcell"
`, p.socket(), runtime.GOARCH)
}

func (p *proxy) start() {
	log, err := os.OpenFile(p.t.Path("snapshotter.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	p.t.Must("open log", err)
	defer log.Close()
	cmd := &exec.Cmd{
		Path: filepath.Join(filepath.Dir(p.t.Target.Path), snapshotter),
		Args: []string{snapshotter, "--root", p.t.Path("snap"), "--address", p.socket()},
		Env:  p.t.Env(), Stdout: log, Stderr: log,
	}
	p.t.Must("start snapshotter", cmd.Start())
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(done)
	}()
	p.cmd, p.done = cmd, done
	eventually(p.t, func() bool { return h.Exists(p.socket()) }, "the snapshotter does not listen: %s", readIfThere(log.Name()))
}

func (p *proxy) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// end stops it, and looks for what is left.
func (p *proxy) end() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(p.t.Limit(change)):
		p.t.Errorf("the snapshotter does not end")
		p.kill()
	}
	if !p.cmd.ProcessState.Success() {
		p.t.Errorf("the snapshotter's end: %v; its log ends with %s", p.cmd.ProcessState, readIfThere(p.t.Path("snapshotter.log")))
	}
	if left := h.Files(p.t.Path("snap", "temp")); len(left) > 0 || h.Exists(p.socket()) {
		p.t.Errorf("left by the snapshotter: %q, or its socket", left)
	}
}

// count is how many snapshots there are.
func (p *proxy) count() int {
	dirs, err := os.ReadDir(p.t.Path("snap", "snapshots"))
	p.t.Must("list snapshots", err)
	return len(dirs)
}

// only waits until no other snapshot than the image's is there. containerd looks
// for what it did not hear of only when it has a snapshot to remove.
func (d *daemon) only() {
	d.ok("snapshots", "prepare", "last")
	d.ok("snapshots", "rm", "last")
	for deadline := time.Now().Add(d.t.Limit(change)); ; {
		d.ok("images", "tag", "--force", image, "localhost/again:1")
		d.ok("images", "rm", "--sync", "localhost/again:1")
		n := d.proxy.count()
		if n == 1 {
			return
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("%d snapshots; want one; containerd's log ends with %s", n, d.tail())
		}
	}
}

// sharing starts a containerd with the snapshotter and an image that has a
// program's directory of some size.
func sharing(t *t) *daemon {
	d := begin(t, newProxy(t))
	d.reach()
	d.importTree(1)
	d.only() // what reach had
	return d
}

// reach waits until containerd reaches the snapshotter: it gives a connection one
// second to be made, which is little here.
func (d *daemon) reach() {
	eventually(d.t, func() bool { return d.ctr("snapshots", "prepare", "reach").Code == 0 }, "containerd does not reach the snapshotter")
	d.ok("snapshots", "rm", "reach")
}

// importTree imports an image with some MB in /usr.
func (d *daemon) importTree(size int) {
	root := plant(d.t)
	for i := range size {
		d.t.WriteFile(strings.Repeat("x", 1<<20), "tree", "usr", "share", fmt.Sprint("file", i))
	}
	d.t.OK("image", "pack", "--entrypoint", h.ProbePath, root, "oci-archive:"+d.t.Path("image.tar")+":1")
	d.ok("images", "import", "--base-name", "localhost/probe", d.t.Path("image.tar"))
}

var snapshots = []h.Case{
	{
		Name: "snapshot/run", Clause: "ctr run --snapshotter runcell",
		Does: "a root has its own /etc and /var, and shares /bin and /usr with its image, read-only; other containers see nothing of it", Run: func(t *t) {
			d := sharing(t)
			r := d.ok("run", "--rm", "--mount", "type=bind,src="+t.MkdirAll("data")+",dst=/srv/data,options=bind", image, "one", h.ProbePath,
				"write", "/etc/new", "x", ";", "write", "/var/new", "x", ";", "mkdir", "/new", ";", "write", "/srv/data/kept", "x", ";",
				"write", "/usr/share/file0", "x", ";", "write", "/usr/new", "x", ";", "remove", "/bin/probe", ";", "remove", "/usr", ";", "read", "/etc/new")
			for _, l := range h.ParseLines(r.Stdout) {
				path := ""
				if len(l.Args) > 0 {
					path = l.Args[0]
				}
				if shared := strings.HasPrefix(path, "/usr") || strings.HasPrefix(path, "/bin"); shared == l.OK {
					t.Errorf("%s %s: ok is %v, %s", l.Op, path, l.OK, l.Errno)
				}
			}
			if readIfThere(t.Path("data", "kept")) != "x" {
				t.Errorf("the volume has nothing")
			}
			r = d.ok("run", "--rm", "--read-only", image, "two", h.ProbePath, "lstat", "/etc/new", ";", "lstat", "/new", ";", "write", "/etc/other", "x", ";", "lstat", "/usr/share/file0")
			for i, l := range h.ParseLines(r.Stdout) {
				if l.OK != (i == 3) {
					t.Errorf("%s %v: ok is %v, %s", l.Op, l.Args, l.OK, l.Errno)
				}
			}
			d.only()
		},
	},
	{
		Name: "snapshot/nerdctl", Clause: "nerdctl run -d, diff, commit, rm",
		Does: "what a container changed is told and committed, with all that it shares", Run: func(t *t) {
			for path, content := range map[string]string{"/etc/hosts": "127.0.0.1 localhost\n", "/etc/resolv.conf": "nameserver 127.0.0.1\n"} {
				if !h.Exists(path) {
					t.Must("write file", os.WriteFile(path, []byte(content), 0o644))
				}
			}
			d := sharing(t)
			d.nerd("run", "-d", "--name", "web", "--net", "none", image, "write", "/var/new", "kept", ";", "say", "ready", ";", "sleep", "1000s")
			eventually(t, func() bool { return strings.Contains(d.nerdctl("logs", "web").Stdout, "ready") }, "not ready")
			if r := d.nerd("diff", "web"); !strings.Contains(r.Stdout, "/var/new") || strings.Contains(r.Stdout, "/usr") || strings.Contains(r.Stdout, "/bin") {
				t.Errorf("diff: %s", r)
			}
			d.nerd("stop", "-t", "1", "web")
			d.nerd("start", "web")
			d.inspected("web", "{{.State.Status}}", "running")
			d.nerd("commit", "--pause=false", "web", "localhost/changed:1")
			said(t, d.nerdctl("run", "--rm", "--net", "none", "localhost/changed:1", "read", "/var/new", ";", "lstat", "/usr/share/file0"), 0, "kept")
			d.rm("web")
			d.nerd("rmi", "-f", "localhost/changed:1")
			d.only()
		},
	},
	{
		Name: "snapshot/layers", Clause: "ctr images import", Does: "a second layer's whiteouts, links, owners, FIFOs, setuid and sticky bits are in the container's root", Run: func(t *t) {
			d := begin(t, newProxy(t))
			d.reach()
			layered(d)
		},
	},
	{
		Name: "snapshot/killed", Clause: "kill -9 of the snapshotter",
		Does: "a living container goes on; while the snapshotter is away nothing starts, and everything works again when it is back", Run: func(t *t) {
			d := sharing(t)
			d.running("web")
			d.proxy.kill()
			said(t, d.ctr("tasks", "exec", "--exec-id", "x", "web", h.ProbePath, "say", "alive"), 0, "alive")
			d.proxy.start()
			d.reach()
			said(t, d.run("next", "say", "hello"), 0, "hello")
			var all sync.WaitGroup
			for i := range atOnce {
				all.Go(func() { d.run(fmt.Sprint("killed", i), "say", "hello") })
			}
			time.Sleep(t.Limit(500 * time.Millisecond))
			d.proxy.kill()
			d.proxy.start()
			all.Wait()
			d.reach()
			for i := range atOnce { // what ctr has left of one that did not start
				d.ctr("containers", "rm", fmt.Sprint("killed", i))
				d.ctr("snapshots", "rm", fmt.Sprint("killed", i))
			}
			said(t, d.run("last", "say", "hello"), 0, "hello")
			d.remove("web")
			d.only()
		},
	},
	{
		Name: "snapshot/many", Clause: "ctr run -d", Timeout: max(session, h.Long(together, time.Minute)),
		Does: "many roots of one image are there at the same time, and go", Run: func(t *t) {
			d := sharing(t)
			n := t.Tries(together)
			d.each(n, func(id string) { d.ok("run", "-d", image, id, h.ProbePath, "sleep", "1000s") })
			if got := d.proxy.count() - 1; got != n {
				t.Errorf("%d snapshots of %d containers", got, n)
			}
			d.each(n, func(id string) {
				d.ctr("tasks", "rm", "-f", id)
				d.ok("containers", "rm", id)
			})
			d.only()
			t.Note(fmt.Sprintf("%d containers", n))
		},
	},
	{
		Name: "snapshot/cost", Clause: "ctr containers create", Timeout: max(2*session, h.Long(together, time.Minute)),
		Does: "what roots cost in time and disk, beside the native snapshotter", Run: func(t *t) {
			n, size := t.Tries(together), 2 // MB in /usr
			if n > together {
				size = 60 // for those who have the time, and the memory
			}
			d := begin(t, newProxy(t))
			d.reach()
			d.importTree(size)
			for _, s := range []struct{ name, dir string }{{"native", t.Path("data", "io.containerd.snapshotter.v1.native")}, {"runcell", t.Path("snap")}} {
				if s.name == "native" { // the image is unpacked for one of them only
					d.ok("run", "--snapshotter", s.name, "--rm", image, "unpack", h.ProbePath, "say", "x")
				}
				before, began := diskUse(s.dir), time.Now()
				for i := range n {
					d.ok("containers", "create", "--snapshotter", s.name, image, fmt.Sprint(s.name, i), h.ProbePath, "say", "x")
				}
				took, use := time.Since(began), diskUse(s.dir)-before
				began = time.Now()
				d.ok("run", "--snapshotter", s.name, "--rm", image, s.name, h.ProbePath, "say", "x")
				t.Note(fmt.Sprintf("%s: %d roots of %d MB: %.1f s, %.1f MB; one run: %.1f s", s.name, n, size, took.Seconds(), float64(use)/1e6, time.Since(began).Seconds()))
				if s.name == "runcell" && use > int64(n*size)<<20/4 {
					t.Errorf("%d roots take %d bytes", n, use)
				}
				d.each(n, func(id string) { d.ok("containers", "rm", strings.Replace(id, "many-", s.name, 1)) })
			}
		},
	},
}

// each does something for n containers, some at once.
func (d *daemon) each(n int, do func(id string)) {
	next := make(chan int)
	var all sync.WaitGroup
	for range atOnce {
		all.Go(func() {
			for i := range next {
				do(fmt.Sprint("many-", i))
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	all.Wait()
}

// diskUse is what the files below a directory take, in bytes.
func diskUse(dir string) (bytes int64) {
	_ = filepath.Walk(dir, func(_ string, fi os.FileInfo, err error) error {
		if err != nil {
			return nil //nolint:nilerr // it has gone meanwhile
		}
		if st, ok := fi.Sys().(*syscall.Stat_t); ok {
			const block = 512
			bytes += st.Blocks * block
		}
		return nil
	})
	return bytes
}
