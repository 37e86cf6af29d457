package main

// The snapshotter below a real containerd.

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/conformance/clients"
	"github.com/netbsd-cells/runcell/image/pack"
	"github.com/netbsd-cells/runcell/shim/snapshots"
	"golang.org/x/sys/unix"
)

// startProxy starts the snapshotter. A containerd before 1.7 loses the targets of
// mounts, so there a container's root has to be a copy.
func (d *daemon) startProxy() {
	d.t.Helper()
	log, err := os.OpenFile(filepath.Join(d.dir, "snap.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		d.t.Fatal(err)
	}
	defer log.Close()
	d.proxy = exec.Command(snapshotterBin, "--root", d.dir+"/snap", "--address", d.dir+"/snap.sock")
	if d.copies() {
		d.proxy.Args = append(d.proxy.Args, "--own", "*")
	}
	d.proxy.Stdout, d.proxy.Stderr = log, log
	if err := d.proxy.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.eventually("the snapshotter listens", time.Minute, func() bool {
		_, err := os.Stat(d.dir + "/snap.sock")
		return err == nil
	})
}

func (d *daemon) copies() bool {
	out, err := exec.Command(filepath.Join(d.bin, "containerd"), "--version").Output()
	return err == nil && strings.Contains(string(out), " 1.6.")
}

// endProxy stops the snapshotter, which may have no leftovers and must end by
// itself.
func (d *daemon) endProxy() {
	if d.proxy == nil {
		return
	}
	if left, err := os.ReadDir(d.dir + "/snap/temp"); err != nil || len(left) > 0 {
		d.t.Errorf("left by the snapshotter: %v, %v", left, err)
	}
	_ = d.proxy.Process.Signal(syscall.SIGTERM)
	if err := d.proxy.Wait(); err != nil {
		log, _ := os.ReadFile(filepath.Join(d.dir, "snap.log"))
		d.t.Errorf("the snapshotter's end: %v; %s", err, log)
	}
	if _, err := os.Lstat(d.dir + "/snap.sock"); err == nil {
		d.t.Error("its socket is left")
	}
}

// snapshots counts the directories that the snapshotter has.
func (d *daemon) snapshots() int {
	dirs, _ := os.ReadDir(d.dir + "/snap/snapshots")
	return len(dirs)
}

// only waits until the image's snapshots are the only ones. containerd removes the
// others, also those that it did not hear of, when it collects its garbage.
func (d *daemon) only(image int) {
	d.t.Helper()
	d.eventually("no snapshot of a container is left", time.Minute, func() bool {
		d.must("image", "tag", "--force", clients.ImageName, "localhost/again:1")
		d.must("image", "rm", "--sync", "localhost/again:1")
		return d.snapshots() == image
	})
}

// TestSnapshotter: a container's root has its own directories to write to, and
// shares the others; nothing of it stays.
func TestSnapshotter(t *testing.T) {
	d := newDaemon(t, "runcell")
	image := d.snapshots()
	said := func(want string, args ...string) {
		t.Helper()
		if out, code := d.ctr(args...); code != 0 || out != want {
			t.Errorf("ctr %s = %q, status %d; want %q", strings.Join(args, " "), out, code, want)
		}
	}
	d.must(d.run([]string{"-d"}, "one", "sleep", "1000")...)
	said("new\n", "task", "exec", "--exec-id", "a", "one", "sh", "-c", "echo new >/etc/new && mkdir -p /var/x /data && echo x >/tmp/x && cat /etc/new; sleep 0.5")
	write := "if touch /bin/new; then echo written; else echo read-only; fi 2>/dev/null; sleep 0.5"
	want := "read-only\n"
	if d.copies() {
		want = "written\n"
	}
	said(want, "task", "exec", "--exec-id", "b", "one", "sh", "-c", write)
	// The other container has nothing of it, nor has the image.
	said("no\n", d.run([]string{"--rm"}, "two", "sh", "-c", "if [ -e /etc/new ] || [ -e /data ]; then echo yes; else echo no; fi; sleep 0.5")...)
	said("written\n", d.run([]string{"--rm", "--snapshotter-label", snapshots.OwnLabel + "=bin"}, "three", "sh", "-c", write)...)
	said("ok\n", d.run([]string{"--rm", "--read-only"}, "four", "sh", "-c", "if touch /etc/x; then echo bad; else echo ok; fi 2>/dev/null; sleep 0.5")...)
	if out, _ := d.ctr("snapshot", "usage"); !strings.Contains(out, "one") {
		t.Errorf("usage: %q", out)
	}
	// What changed against the image is what was written.
	diff := filepath.Join(d.dir, "diff.tar.gz")
	if text, code := d.ctr("snapshot", "diff", "one"); code == 0 {
		write, err := os.Create(diff)
		if err == nil {
			_, err = write.WriteString(text)
		}
		if err != nil {
			t.Fatal(err)
		}
		list, err := exec.Command("tar", "-tzf", diff).Output()
		if err != nil || !strings.Contains(string(list), "etc/new\n") || strings.Contains(string(list), ".wh.") || strings.Contains(string(list), "bin/busybox") {
			t.Errorf("the difference has %q, %v", list, err)
		}
	} else {
		t.Errorf("diff: %s", text)
	}
	d.remove("one")
	d.only(image)
	d.must("image", "rm", "--sync", strings.TrimSpace(d.must("image", "ls", "-q")))
	d.eventually("the image's snapshots go", time.Minute, func() bool { return d.snapshots() == 0 })
}

// TestSnapshotterKilled kills the snapshotter at random moments while containers
// come and go: what was asked for can be asked for again, and nothing stays.
func TestSnapshotterKilled(t *testing.T) {
	d := newDaemon(t, "runcell")
	image := d.snapshots()
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	for round := range number("RUNCELL_SHIM_KILLS", 6) {
		var all sync.WaitGroup
		for i := range 3 {
			id := fmt.Sprintf("s%d-%d", round, i)
			args := d.run([]string{"--rm"}, id, "true")
			all.Go(func() { d.ctr(args...) })
		}
		time.Sleep(time.Duration(random.IntN(800)) * time.Millisecond)
		_ = d.proxy.Process.Kill()
		_ = d.proxy.Wait()
		d.startProxy()
		all.Wait()
		for i := range 3 {
			id := fmt.Sprintf("s%d-%d", round, i)
			d.remove(id)
			d.ctr("snapshot", "rm", id)
			d.forgive(id)
		}
		id := fmt.Sprintf("s%d", round)
		d.eventually("a container runs after the kill", time.Minute, func() bool {
			d.ctr("snapshot", "rm", id)
			_, code := d.ctr(d.run([]string{"--rm"}, id, "true")...)
			return code == 0
		})
	}
	d.only(image)
}

// TestSnapshotterMany is many at once: 50 roots of one image, all there at the same
// time.
func TestSnapshotterMany(t *testing.T) {
	d := newDaemon(t, "runcell")
	image := d.snapshots()
	n := number("RUNCELL_SHIM_CONTAINERS", 50)
	jobs := make(chan []string, n)
	for i := range n {
		jobs <- d.run([]string{"-d"}, fmt.Sprintf("m%d", i), "sleep", "1000")
	}
	close(jobs)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for args := range jobs {
				if out, code := d.ctr(args...); code != 0 {
					t.Errorf("ctr %s: status %d, %s", strings.Join(args, " "), code, out)
				}
			}
		})
	}
	all.Wait()
	if got := d.snapshots() - image; got != n {
		t.Errorf("%d snapshots for %d containers", got, n)
	}
	for i := range n {
		d.remove(fmt.Sprintf("m%d", i))
	}
	d.only(image)
}

// TestSnapshotterCost compares what roots cost with each snapshotter that works
// here. RUNCELL_SNAPSHOT_MB is the size of the image.
func TestSnapshotterCost(t *testing.T) {
	names := []string{"native", "runcell"}
	if overlays(t) {
		names = append(names, "overlayfs")
	}
	megabytes, n := number("RUNCELL_SNAPSHOT_MB", 8), number("RUNCELL_SHIM_CONTAINERS", 4)
	const image = "localhost/large:1"
	archive := largeImage(t, megabytes)
	use, copies := map[string]int64{}, false
	for _, name := range names {
		d := newDaemon(t, name)
		d.must("image", "import", "--snapshotter", name, "--index-name", image, archive)
		dir := filepath.Join(d.dir, "root", "io.containerd.snapshotter.v1."+name)
		if name == "runcell" {
			dir = filepath.Join(d.dir, "snap")
		}
		copies = d.copies()
		before, began := diskUse(dir), time.Now()
		for i := range n {
			d.must("container", "create", "--runtime", shimBin, image, fmt.Sprint("c", i), "/bin/busybox", "true")
		}
		created := time.Since(began)
		use[name] = diskUse(dir) - before
		var runs []time.Duration
		for i := range 5 {
			id := fmt.Sprint("r", i)
			d.ids = append(d.ids, id)
			began = time.Now()
			d.must("run", "--rm", "--runtime", shimBin, image, id, "/bin/busybox", "true")
			runs = append(runs, time.Since(began))
		}
		slices.Sort(runs)
		t.Logf("%s: %d roots of %d MB: %.1f s, %.1f MB; run --rm, median of 5: %.2f s", name, n, megabytes, created.Seconds(), float64(use[name])/1e6, runs[2].Seconds())
		for i := range n {
			d.must("container", "rm", fmt.Sprint("c", i))
		}
	}
	if most := use["native"] / 4; use["runcell"] > most && !copies {
		t.Errorf("the roots take %d bytes; want a quarter of the native snapshotter's at most, %d", use["runcell"], most)
	}
}

// largeImage makes an image of files of 100 KB, most of them in /usr.
func largeImage(t *testing.T, megabytes int) (archive string) {
	t.Helper()
	root, archive := t.TempDir(), filepath.Join(t.TempDir(), "large.tar")
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"bin", "dev", "etc", "proc", "tmp", "usr/share", "var/log"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(root, "bin/busybox"), busybox)
	if err := os.Chmod(filepath.Join(root, "bin/busybox"), 0o755); err != nil {
		t.Fatal(err)
	}
	content := bytes.Repeat([]byte("0123456789"), 10_000)
	for i := range megabytes * 10 {
		write(t, filepath.Join(root, "usr/share", strconv.Itoa(i)), content)
	}
	write(t, filepath.Join(root, "etc/passwd"), []byte("root:*:0:0::/:/bin/sh\n"))
	write(t, filepath.Join(root, "var/log/messages"), content)
	if _, err := pack.Pack(t.Context(), root, "oci-archive:"+archive+":1", pack.Options{}); err != nil {
		t.Fatal(err)
	}
	return archive
}

// diskUse is what the files below a directory take, in bytes.
func diskUse(dir string) (size int64) {
	_ = filepath.WalkDir(dir, func(path string, _ os.DirEntry, _ error) error {
		var st unix.Stat_t
		if unix.Lstat(path, &st) == nil {
			const block = 512
			size += st.Blocks * block
		}
		return nil
	})
	return size
}
