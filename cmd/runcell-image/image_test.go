package main

// The image commands as a user types them.

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/oci"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// runImage runs one command line in this process.
func runImage(args ...string) (stdout, stderr string, status int) {
	var out, errs bytes.Buffer
	p := cmdline.Program{Stdout: &out, Stderr: &errs}
	status = run(&p, append([]string{"runcell"}, args...))
	p.Journal.Close()
	return out.String(), errs.String(), status
}

// help is a command here too, and of each command.
func TestImageHelp(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
		ok   bool
	}{
		{[]string{"image", "help"}, "fetch an image from a registry", true},
		{[]string{"image", "h"}, "fetch an image from a registry", true},
		{[]string{"image", "help", "unpack"}, "runcell image unpack", true},
		{[]string{"help", "image", "unpack"}, "runcell image unpack", true},
		{[]string{"image", "help", "nothing"}, `has no command "nothing"`, false},
	} {
		stdout, stderr, status := runImage(c.args...)
		if (status == 0) != c.ok || !strings.Contains(stdout+stderr, c.want) {
			t.Errorf("%v = %d, %.200q, %q; want %q", c.args, status, stdout, stderr, c.want)
		}
	}
}

func imageRootfs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"etc/passwd": "root:x:0:0::/root:/bin/sh\nweb:x:80:81:Web:/srv:/bin/sh\n", "etc/group": "web:x:81:\nlog:x:82:web\n", "bin/web": "#!/bin/sh\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A directory becomes an image, the image a bundle, and the bundle compiles
// without a single warning.
func TestImagePackAndUnpack(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1000000000")
	dir := t.TempDir()
	image := "oci:" + dir + "/img:v1"
	pack := []string{
		"image", "pack", "--compress", "zstd", "--entrypoint", "/bin/web", "--entrypoint=--log=a,b", "--cmd=-p", "--cmd", "80",
		"--env", "LIST=a,b,c", "--env", "X=", "--workdir", "/srv/www", "--user", "web", "--expose", "80", "--expose", "53/udp",
		"--label", "com.example=1,2", "--stop-signal", "SIGINT", "--author", "me", imageRootfs(t), image,
	}
	digest, stderr, status := runImage(pack...)
	if status != 0 || !strings.HasPrefix(digest, "sha256:") || len(digest) != len("sha256:")+64+1 || stderr != "" {
		t.Fatalf("pack: status %d, stdout %q, stderr %q; want a digest alone", status, digest, stderr)
	}
	pack[len(pack)-1], pack[len(pack)-2] = dir+"/again.tar", imageRootfs(t)
	if again, _, _ := runImage(pack...); again != digest {
		t.Errorf("packed again: %q; want %q", again, digest)
	}
	stdout, stderr, status := runImage("--strict", "image", "unpack", "--reserve-ports", image, dir+"/bundle")
	if status != 0 || stdout != "" || stderr != "" {
		t.Fatalf("unpack: status %d, stdout %q, stderr %q", status, stdout, stderr)
	}
	data, err := os.ReadFile(dir + "/bundle/config.json")
	if err != nil {
		t.Fatal(err)
	}
	s := specs.Spec{}
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(s.Process.Args, " ") + "|" + strings.Join(s.Process.Env[1:], " ") + "|" + s.Process.Cwd
	if want := "/bin/web --log=a,b -p 80|LIST=a,b,c X= HOME=/srv|/srv/www"; got != want {
		t.Errorf("process is %s; want %s", got, want)
	}
	cfg, err := oci.LoadFile(dir + "/bundle/config.json")
	if err != nil {
		t.Fatal(err)
	}
	plan, err := oci.Compile(cfg, everything())
	if err != nil {
		t.Fatal(err)
	}
	if w := plan.Warnings(); len(w) > 0 {
		t.Errorf("the bundle compiles with warnings: %v", w)
	}
	if p := plan.Process; p.UID != 80 || p.GID != 81 || len(p.AdditionalGIDs) != 1 || p.AdditionalGIDs[0] != 82 {
		t.Errorf("process is %d:%d %v; want web's ids", p.UID, p.GID, p.AdditionalGIDs)
	}
	if ports := plan.Cell.Ports; len(ports) != 2 || ports[0].Port != 53 || ports[0].Proto != "udp" || ports[1].Port != 80 {
		t.Errorf("reserved ports are %+v", ports)
	}
}

// everything is a kernel interface that lacks nothing.
func everything() kmod.Features {
	e := kmod.Support{Level: kmod.Enforced}
	return kmod.Features{
		Backend: "secmodel_cell", ABI: 1, Profiles: e, Permissions: e, Devices: e, Ports: e, PortAddress: e, Addresses: e,
		Network: e, MaxProcesses: e, Processes: e, Kill: e, Stats: e, ExitStatus: e, MaxGroups: 16,
	}
}

func TestImageErrors(t *testing.T) {
	dir := t.TempDir()
	rootfs := imageRootfs(t)
	if _, stderr, status := runImage("image", "pack", "--platform", "netbsd/arm64", rootfs, dir+"/img"); status != 0 {
		t.Fatal(stderr)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"unpak", "x"}, `runcell image has no command "unpak" (did you mean "unpack"?)`},
		{[]string{"unpack", "--zonk"}, `unpack has no flag "zonk"; "runcell image unpack --help" lists the flags`},
		{[]string{"unpack"}, "needs two arguments"},
		{[]string{"unpack", dir + "/img", dir + "/b", "more"}, "needs two arguments"},
		{[]string{"unpack", dir + "/img", dir + "/b"}, "only for netbsd/arm64: choose one with --platform"},
		{[]string{"unpack", "--platform", "netbsd", dir + "/img", dir + "/b"}, "want os/arch"},
		{[]string{"unpack", "--platform", "netbsd/arm64", "--max-entries", "2", dir + "/img", dir + "/b"}, "more than 2 entries"},
		{[]string{"unpack", "docker://busybox", dir + "/b"}, "no transport"},
		{[]string{"unpack", dir + "/nothing", dir + "/b"}, "no such file"},
		{[]string{"pack", "--mtime", "yesterday", rootfs, dir + "/x"}, "--mtime"},
		{[]string{"pack", "--label", "x", rootfs, dir + "/x"}, "NAME=VALUE"},
		{[]string{"pack", "--compress", "xz", rootfs, dir + "/x"}, "gzip, zstd or none"},
		{[]string{"pack", "--tag", "a", rootfs, "oci:" + dir + "/x:b"}, "give one of them"},
	} {
		stdout, stderr, status := runImage(append([]string{"image"}, c.args...)...)
		if status != 1 || stdout != "" || !strings.Contains(stderr, c.want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("image %q: status %d, stdout %q, stderr %q; want 1 and %q on one line", c.args, status, stdout, stderr, c.want)
		}
	}
	if list, _ := os.ReadDir(dir); len(list) != 1 {
		t.Errorf("failures left %v", list)
	}
}

// A warning is shown on standard error, or kept in the log, never on stdout.
func TestImageWarnings(t *testing.T) {
	dir := t.TempDir()
	if _, stderr, status := runImage("image", "pack", imageRootfs(t), dir+"/img"); status != 0 {
		t.Fatal(stderr)
	}
	stdout, stderr, status := runImage("image", "unpack", dir+"/img", dir+"/one")
	if status != 0 || stdout != "" || stderr != "runcell: warning: config.Cmd: the image names no program: process.args is /bin/sh\n" {
		t.Errorf("status %d, stdout %q, stderr %q; want a warning", status, stdout, stderr)
	}
	stdout, stderr, status = runImage("--log", dir+"/log", "--log-format", "json", "image", "unpack", dir+"/img", dir+"/two")
	log, _ := os.ReadFile(dir + "/log")
	if status != 0 || stdout+stderr != "" || !strings.Contains(string(log), `"level":"warning"`) || !strings.Contains(string(log), "names no program") {
		t.Errorf("status %d, output %q, log %q; want the warning in the log", status, stdout+stderr, log)
	}
	if _, stderr, status := runImage("--strict", "image", "unpack", dir+"/img", dir+"/three"); status != 1 || !strings.Contains(stderr, "names no program") {
		t.Errorf("strict: status %d, stderr %q; want the warning as an error", status, stderr)
	}
}

const imageChild = "RUNCELL_TEST_IMAGE"

// asChild runs the command line of child, in the test that was started again.
func asChild() {
	if args := os.Getenv(imageChild); args != "" {
		p := cmdline.NewProgram()
		os.Exit(run(&p, strings.Split(args, "\n")))
	}
}

// child is an image command in a process of its own.
func child(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), imageChild+"="+strings.Join(append([]string{"runcell", "image"}, args...), "\n"))
	return cmd
}

// waitFor gives the one file that matches pattern, once there is one.
func waitFor(t *testing.T, pattern string) string {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		if list, _ := filepath.Glob(pattern); len(list) > 0 {
			return list[0]
		}
		if time.Now().After(end) {
			t.Fatalf("no %s came", pattern)
		}
	}
}

// fill makes a file that takes a while to pack and to unpack: 512 MiB without holes.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(block)
	for range 512 {
		if _, err := f.Write(block); err != nil {
			t.Fatal(err)
		}
	}
}

// What a killed pack leaves is removed by the next one for the same image;
// what a living one works on is not.
func TestImagePackKilled(t *testing.T) {
	asChild()
	dir, rootfs := t.TempDir(), imageRootfs(t)
	big := imageRootfs(t)
	fill(t, filepath.Join(big, "bin/web"))
	pack := func() (*exec.Cmd, string) {
		old, _ := filepath.Glob(dir + "/.img.tmp-*")
		if len(old) > 0 {
			t.Fatalf("there is %q already", old)
		}
		cmd := child(t, "pack", big, dir+"/img")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd, filepath.Dir(waitFor(t, dir+"/.img.tmp-*/.runcell.tmp-*"))
	}
	kill := func(cmd *exec.Cmd) {
		cmd.Process.Kill()
		cmd.Wait()
	}
	killed, left := pack()
	kill(killed)
	if _, err := os.Lstat(left); err != nil {
		t.Fatalf("the killed pack left nothing: %v", err)
	}
	if _, stderr, status := runImage("image", "pack", rootfs, dir+"/img"); status != 0 {
		t.Fatal(stderr)
	}
	if _, err := os.Lstat(left); !os.IsNotExist(err) {
		t.Errorf("%s is still there (%v)", left, err)
	}
	if err := os.RemoveAll(dir + "/img"); err != nil {
		t.Fatal(err)
	}
	living, busy := pack()
	defer kill(living)
	if _, stderr, status := runImage("image", "pack", rootfs, dir+"/img"); status != 0 {
		t.Fatal(stderr)
	}
	if _, err := os.Lstat(busy); err != nil {
		t.Errorf("the living pack lost its files: %v", err)
	}
}

// An interrupted unpack cleans up; a killed one leaves nothing that looks
// complete, and says so the next time.
func TestImageInterrupted(t *testing.T) {
	asChild()
	dir := t.TempDir()
	rootfs := imageRootfs(t)
	fill(t, filepath.Join(rootfs, "bin/web"))
	if _, stderr, status := runImage("image", "pack", "--compress", "zstd", rootfs, dir+"/img"); status != 0 {
		t.Fatal(stderr)
	}
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL} {
		bundle := dir + "/bundle"
		cmd := child(t, "unpack", "--max-ratio", "0", dir+"/img", bundle)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, bundle+"/rootfs/bin/web")
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		err := cmd.Wait()
		if _, e := os.Lstat(bundle + "/config.json"); e == nil || err == nil {
			t.Fatalf("%v: error %v, config.json %v; want the unpack cut short", sig, err, e)
		}
		_, e := os.Lstat(bundle)
		if sig != syscall.SIGKILL {
			if !os.IsNotExist(e) || cmd.ProcessState.ExitCode() != 128+int(sig) || !strings.Contains(stderr.String(), "unpack") {
				t.Errorf("%v: the bundle is there (%v), status %d, stderr %q", sig, e, cmd.ProcessState.ExitCode(), stderr.String())
			}
			continue
		}
		if _, stderr, status := runImage("image", "unpack", dir+"/img", bundle); status != 1 || !strings.Contains(stderr, "as an interrupted unpack leaves it") {
			t.Errorf("after %v: status %d, stderr %q; want the leftover named", sig, status, stderr)
		}
	}
}

// A name that is taken moves, and this is said; a second one is printed in full.
func TestImageTag(t *testing.T) {
	dir := t.TempDir()
	store, rootfs := dir+"/store", imageRootfs(t)
	do := func(want int, args ...string) (string, string) {
		t.Helper()
		out, stderr, status := runImage(append([]string{"image"}, args...)...)
		if status != want {
			t.Fatalf("image %q: status %d, %s", args, status, stderr)
		}
		return out, stderr
	}
	old, _ := do(0, "pack", "--store", store, "--cmd", "/a", rootfs, "web:1")
	do(0, "pack", "--store", store, "--cmd", "/b", rootfs, "web:2")
	if out, stderr := do(0, "tag", "--store", store, "web:1", "stable"); out != "localhost/stable:latest\n" || stderr != "" {
		t.Errorf("tag prints %q, %q", out, stderr)
	}
	if out, stderr := do(0, "tag", "--store", store, "web:2", "stable"); out != "localhost/stable:latest\n" || !strings.Contains(stderr, "was the name of "+strings.TrimSpace(old)) {
		t.Errorf("tag of a name that is taken prints %q, %q", out, stderr)
	}
	if _, stderr := do(0, "tag", "--store", store, "web:2", "stable"); stderr != "" {
		t.Errorf("tag that changes nothing says %q", stderr)
	}
	if out, _ := do(0, "list", "--store", store, "--quiet"); out != "localhost/stable:latest\nlocalhost/web:1\nlocalhost/web:2\n" {
		t.Errorf("list prints %q", out)
	}
	if out, _ := do(0, "inspect", "--store", store, "stable"); !strings.Contains(out, `"/b"`) {
		t.Errorf("inspect prints %s", out)
	}
	do(1, "tag", "--store", store, "nothing", "stable")
	do(1, "tag", "--store", dir+"/nowhere", "web:1", "stable")
	do(1, "tag", "--store", store, "web:1")
}

// An image's command is changed by one line; what changes nothing is told.
func TestImageConfig(t *testing.T) {
	dir := t.TempDir()
	store := dir + "/store"
	run := func(args ...string) (string, string, int) {
		return runImage(append([]string{"image", args[0], "--store", store}, args[1:]...)...)
	}
	if _, stderr, status := run("pack", "--cmd", "/old", "--label", "a=1", imageRootfs(t), "web:1"); status != 0 {
		t.Fatal(stderr)
	}
	t.Setenv("SOURCE_DATE_EPOCH", "7")
	out, stderr, status := run("config", "--cmd", "/bin/web", "--cmd", "", "-e", "A=x,y", "--label", "b=", "--port", "80", "--unset", "label=a", "--user", "web", "--workdir", "/srv", "--stop-signal", "INT", "web:1", "web:2")
	if status != 0 || stderr != "" {
		t.Fatalf("config: status %d, %s", status, stderr)
	}
	is, _, _ := run("inspect", "web:2")
	var i struct {
		Digest string
		Config struct {
			Created time.Time
			Config  json.RawMessage
		}
	}
	if err := json.Unmarshal([]byte(is), &i); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(strings.Fields(string(i.Config.Config)), "")
	if want := `{"User":"web","ExposedPorts":{"80":{}},"Env":["A=x,y"],"Cmd":["/bin/web",""],"WorkingDir":"/srv","Labels":{"b":""},"StopSignal":"INT"}`; got != want || out != i.Digest+"\n" || i.Config.Created.Unix() != 7 {
		t.Errorf("config makes %s of %v, and prints %q", got, i.Config.Created, out)
	}
	for _, c := range []struct{ line, want string }{
		{"web:1 web:3", "nothing to change"},
		{"--cmd /x web:1", "two arguments"},
		{"--user= web:1 web:3", "--unset user"},
		{"--label x web:1 web:3", "want NAME=VALUE"},
		{"--platform x --cmd /x web:1 web:3", "parse platform"},
		{"--platform plan9/arm64 --cmd /x web:1 web:3", "only for"},
		{"--unset nothing web:1 web:3", "want one of author, cmd"},
		{"--max-layers 0 --store= --cmd /x web:1 web:3", "--store is empty"},
	} {
		if _, stderr, status := run(append([]string{"config"}, strings.Fields(c.line)...)...); status != 1 || !strings.Contains(stderr, c.want) {
			t.Errorf("config %s: status %d, %q; want %q", c.line, status, stderr, c.want)
		}
	}
	if _, _, status := run("inspect", "web:3"); status != 1 {
		t.Error("web:3 is there")
	}
}
