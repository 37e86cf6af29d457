package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/conformance/owned"
)

// once runs parts of the bench as small as they can be, and gives what was
// printed and the rows of its file. Nothing may be left of it.
func once(t *testing.T, change func(*options)) (string, map[string]series) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	runcell, err := built()
	if err != nil {
		t.Fatal(err)
	}
	o := options{
		runcell: runcell, runc: "/usr/sbin/runc", crun: "/usr/bin/crun", busybox: "/bin/busybox", rounds: 1,
		load: 1, starts: atATime, idle: 1, imageMB: 1, unpackRounds: 1, containerdRounds: 1,
	}
	file := filepath.Join(t.TempDir(), "samples.json")
	o.json = file
	temp, err := os.MkdirTemp("", "runcell-bench-once-") // buildah makes a name of it: no capitals
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(temp) }()
	t.Setenv("TMPDIR", temp)
	change(&o)
	var out strings.Builder
	if err := bench(o, &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var rec record
	if err := json.Unmarshal(text, &rec); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(rec.Runcell, "runcell version ") || rec.CPUs < 1 || rec.Load[0] == "" || rec.Load[1] == "" {
		t.Errorf("the file says of the machine: %.300s", text)
	}
	if groups := owned.Cgroups([]string{ownName}); len(groups) > 0 {
		t.Errorf("control groups left behind: %v", groups)
	}
	left, err := os.ReadDir(temp)
	if err != nil || len(left) > 0 || len(owned.Mounts(temp)) > 0 {
		t.Errorf("left behind: %v, %v, mounts %v", left, err, owned.Mounts(temp))
	}
	if strings.Contains(out.String(), "not measured") {
		t.Log(out.String())
	}
	return out.String(), rec.Rows
}

// wantRows compares a row's unit, and that it has so many samples.
func wantRows(t *testing.T, rows map[string]series, want map[string]series) {
	t.Helper()
	for name, w := range want {
		if got := rows[name]; got.Unit != w.Unit || len(got.Values) != len(w.Values) {
			t.Errorf("row %q is %v; want %d values in %s", name, got, len(w.Values), w.Unit)
		}
	}
}

func TestOneRound(t *testing.T) {
	text, rows := once(t, func(o *options) { o.only = regexp.MustCompile("loaded|beside|starts|pull|unpack") })
	one := []float64{0}
	wantRows(t, rows, map[string]series{
		"loaded/runcell/run": {"ms", one}, "loaded/runcell/run CPU": {"ms", one}, "loaded/runcell/peak RSS": {"MiB", one},
		"loaded/runcell/resident": {"processes", one}, "loaded/crun/run": {"ms", one}, "beside/runc/exec": {"ms", one}, "beside/chroot/faults": {"page faults", one},
		"starts/runcell/starts/s": {"starts a second", one}, "starts, loaded/crun/wall": {"ms", make([]float64, atATime)},
		"unpack/gzip/runcell image unpack/wall": {"s", one}, "pull the image, new/GET": {"requests", one},
	})
	for _, want := range []string{"Beside 1 busy processes", "Beside 8 starts", "(p99)", "8 at a time", "What limits runcell", "the start of a C program", "tar -xf", "pull the index, new"} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not print %q:\n%s", want, text)
		}
	}
}

// Both revisions are measured in one run, and each row of theirs is compared.
func TestOneRoundOfTwoRevisions(t *testing.T) {
	stat, err := filepath.Abs("../../bin/tools/benchstat")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(stat); err != nil {
		t.Skipf("make benchstat gets it: %v", err)
	}
	tree := t.TempDir()
	text, rows := once(t, func(o *options) {
		recipe := "build:\n\tmkdir bin && cp " + o.runcell + " " + o.runcell + "-image bin/\n"
		if err := os.WriteFile(filepath.Join(tree, "Makefile"), []byte(recipe), 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("sh", "-ec", `cd "$1"; git init -q; git add .; git -c user.name=x -c user.email=x@example.org commit -qm x`, "sh", tree).CombinedOutput()
		if err != nil {
			t.Fatalf("make repository: %v: %s", err, out)
		}
		o.only, o.tree, o.revision, o.benchstat = regexp.MustCompile("runtimes|pull|unpack"), tree, "HEAD", stat
	})
	one := []float64{0}
	wantRows(t, rows, map[string]series{
		"runcell/run": {"ms", one}, "runcell (base)/run": {"ms", one}, "runcell, light (base)/run CPU": {"ms", one},
		"unpack/zstd/runcell image unpack (base)/cpu": {"s", one}, "pull the index, again (base)/HEAD": {"requests", one},
	})
	for _, want := range []string{"vs base", "Runcell/run ", "Runcell_light/switches", "Unpack/gzip/runcell_image_unpack/wall", "Pull_the_image_new/GET"} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not print %q:\n%s", want, text)
		}
	}
	if rows["crun/run"].Values != nil || rows["runc/run"].Values != nil {
		t.Errorf("a peer was measured:\n%s", text)
	}
}

// What keeps the machine busy ends with who started it.
func TestBusyEnds(t *testing.T) {
	gone := exec.Command("/bin/sh", "-c", "exit")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("/bin/sh", "-c", busy, "sh", strconv.Itoa(gone.Process.Pid)).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	stop, err := startBusy(2)
	if err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// Each way to idle is there, or says why not; and the numbers are what the way is known for.
func TestDensity(t *testing.T) {
	text, rows := once(t, func(o *options) { o.only = regexp.MustCompile("density") })
	at := func(name, op string) float64 {
		t.Helper()
		row := rows["density/"+name+"/"+op]
		if len(row.Values) != 1 {
			if !strings.Contains(text, "not measured: "+name) {
				t.Errorf("%s has neither %s nor a reason", name, op)
			}
			return -1
		}
		return row.Values[0]
	}
	for _, name := range []string{"runcell", "runc", "crun", "chroot", "runcell run --image --rootfs shared", "runcell run --image --rootfs copy"} {
		if n := at(name, opBeside); n > 0 {
			t.Errorf("%v processes stay beside %s's program", n, name)
		}
	}
	for _, name := range []string{"podman, conmon, crun", "containerd, runc.v2 + runc", "containerd, runcell.v1"} {
		if n := at(name, opBeside); n == 0 {
			t.Errorf("no process stays beside the program of %s", name)
		}
		if mib := at(name, opPSSBeside); mib == 0 {
			t.Errorf("what stays beside the program of %s takes no memory", name)
		}
	}
	for _, op := range []string{opNamespaces, opMounts, opCgroups, opDisk} {
		if n := at("chroot", op); n > 0 {
			t.Errorf("a chroot has %v %s", n, op)
		}
	}
	for _, op := range []string{opNamespaces, opMounts, opDisk} {
		if n := at("runcell", op); n == 0 {
			t.Errorf("a cell has no %s", op)
		}
	}
	if shared, copied := at("runcell run --image --rootfs shared", opDisk), at("runcell run --image --rootfs copy", opDisk); shared*4 > copied {
		t.Errorf("a cell with a shared root takes %v KiB of the disk, one with a copy %v", shared, copied)
	}
	if n := at("containerd, runcell.v1", opOnce); n == 0 {
		t.Error("containerd takes no memory")
	}
}

// The guest's archive is one that bsdcpio and the kernel read: its headers lead from one entry to the next.
func TestInitramfs(t *testing.T) {
	archive, names := initramfs([]byte("program")), []string{}
	for at := 0; at < len(archive); {
		field := func(i int) int {
			t.Helper()
			n, err := strconv.ParseInt(string(archive[at+6+8*i:at+14+8*i]), 16, 64)
			if err != nil {
				t.Fatal(err)
			}
			return int(n)
		}
		size, nameSize := field(6), field(11)
		name := string(archive[at+110 : at+110+nameSize-1])
		names = append(names, name)
		body := (at + 110 + nameSize + 3) &^ 3
		if name == "bin/busybox" && string(archive[body:body+size]) != "program" {
			t.Errorf("busybox is %q", archive[body:body+size])
		}
		at = (body + size + 3) &^ 3
	}
	if got := strings.Join(names, " "); got != "bin dev dev/console bin/busybox init TRAILER!!!" {
		t.Errorf("the archive has %s", got)
	}
}

// Who pulls is counted, and pays for each round trip; who pulls again pays for one layer.
func TestFarPulls(t *testing.T) {
	text, rows := once(t, func(o *options) { o.only, o.farMB, o.farRounds = regexp.MustCompile("far"), 1, 1 })
	for _, name := range []string{"runcell image pull", "skopeo copy", "podman pull"} {
		if strings.Contains(text, "not measured: "+name) {
			continue
		}
		for tag, least := range map[string]float64{farTag: farLayers + 2, changedTag: 3} {
			key := "far/" + name + "/" + tag
			get, wall := rows[key+"/GET"], rows[key+"/wall"]
			if len(get.Values) != 1 || get.Values[0] < least || len(wall.Values) != 1 || wall.Values[0] < leastTrips*ms(roundTrip) {
				t.Errorf("%s: %v %v; want %v requests and %d round trips at least", key, get, wall, least, leastTrips)
			}
		}
	}
	if get := rows["far/runcell image pull/"+changedTag+"/GET"].Values; len(get) != 1 || get[0] != 3 {
		t.Errorf("runcell asks %v times for an image with one new layer; want 3: manifest, config, layer", get)
	}
}

func TestFirst(t *testing.T) {
	text, rows := once(t, func(o *options) { o.only, o.firstMB, o.firstRounds = regexp.MustCompile("first"), 1, 1 })
	one := []float64{0}
	for _, name := range []string{"runcell run --image --rootfs copy", "runcell run --image --rootfs shared", "podman run", nameCopy} {
		if name == "podman run" && strings.Contains(text, "not measured: podman") {
			continue
		}
		wantRows(t, rows, map[string]series{"first/" + name + "/first byte": {"ms", one}, "first/" + name + "/whole": {"ms", one}})
	}
}

func TestPacks(t *testing.T) {
	text, rows := once(t, func(o *options) { o.only, o.packMB, o.packRounds = regexp.MustCompile("^pack"), 2, 1 })
	one := []float64{0}
	want := map[string]series{
		"pack/tree/runcell image pack/wall": {"s", one}, "pack/tree/tar -czf/cpu": {"s", one}, "pack/difference/runcell image pack --base/rss": {"MiB", one},
	}
	for _, form := range []string{formTree, formBase} {
		for _, peer := range []string{"umoci repack", "buildah commit"} {
			if !strings.Contains(text, "not measured: "+peer) {
				want["pack/"+form+"/"+peer+"/wall"] = series{"s", one}
			}
		}
	}
	wantRows(t, rows, want)
}
