package bootstrap

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	boot "github.com/containerd/containerd/api/runtime/bootstrap/v1"
	task "github.com/containerd/containerd/api/runtime/task/v2"
	"github.com/containerd/containerd/api/types"
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime"
	"github.com/netbsd-cells/runcell/shim"
	"github.com/opencontainers/runtime-spec/specs-go/features"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// The command lines of containerd 1.6 and 2.4, and what is none.
func TestParse(t *testing.T) {
	served := Flags{Namespace: "ns", ID: "a", Address: "/c.sock", Bundle: "/state/plugin/ns/a"}
	with := func(change func(*Flags)) Flags {
		f := served
		change(&f)
		return f
	}
	for _, c := range []struct {
		line string
		want Flags
		err  string
	}{
		{"-namespace ns -address /c.sock -publish-binary /usr/bin/containerd -id a -bundle /state/plugin/ns/a start", with(func(f *Flags) { f.Action = "start" }), ""},
		{"-namespace ns -address /c.sock -publish-binary /usr/bin/containerd -id a -bundle /state/plugin/ns/a -debug delete", with(func(f *Flags) { f.Action, f.Debug = "delete", true }), ""},
		{"-namespace ns -address /c.sock -id a -bundle /state/plugin/ns/other delete", with(func(f *Flags) { f.Action = "delete" }), ""},
		{"-namespace ns -id a -address /c.sock -bundle /state/plugin/ns/a -socket /s", with(func(f *Flags) { f.Socket = "/s" }), ""},
		{"-namespace ns -address /c.sock -id a -bundle /state/plugin/ns/a -apart delete", with(func(f *Flags) { f.Action, f.Apart = "delete", true }), ""},
		{"-namespace ns -id a -bundle /b -apart start", Flags{}, "for delete alone"},
		{"-v", Flags{Version: true}, ""},
		{"-info", Flags{Info: true}, ""},
		{"start", Flags{}, "are needed"},
		{"-namespace ns -id a/b -bundle /b start", Flags{}, "slash"},
		{"-namespace ns -id a -bundle b start", Flags{}, "not an absolute path"},
		{"-namespace ns -id a -bundle /b stop", Flags{}, "there are only"},
		{"-namespace ns -id a -bundle /b", Flags{}, "-socket"},
		{"-odd", Flags{}, "not defined"},
	} {
		got, err := Parse(append([]string{"shim"}, strings.Fields(c.line)...), io.Discard)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("Parse(%q) = %v; want an error with %q", c.line, err, c.err)
			}
			continue
		}
		if err != nil || got != c.want {
			t.Errorf("Parse(%q) = %+v, %v; want %+v", c.line, got, err, c.want)
		}
	}
	if root, err := served.Root(); root != "/state/runcell/ns" || err != nil {
		t.Errorf("Root = %q, %v", root, err)
	}
	if root, err := (&Flags{Namespace: "ns", ID: "a", Bundle: "/state/plugin/other/a"}).Root(); err == nil {
		t.Errorf("Root of another namespace's bundle = %q; want an error", root)
	}
}

func marshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Before 2.3 containerd writes nothing, or options of a runtime.
func TestParameters(t *testing.T) {
	t.Setenv("TTRPC_ADDRESS", "/env.ttrpc")
	dir := "/run/x"
	for name, c := range map[string]struct {
		in   []byte
		want params
	}{
		"nothing": {nil, params{false, defaultSocketDir, "/env.ttrpc"}},
		"options": {marshal(t, &anypb.Any{TypeUrl: "containerd.runc.v1.Options", Value: []byte("\x0a\x01a")}), params{false, defaultSocketDir, "/env.ttrpc"}},
		"params":  {marshal(t, &boot.BootstrapParams{InstanceID: "a", Namespace: "ns", ContainerdVersion: "2.4.2"}), params{true, defaultSocketDir, "/env.ttrpc"}},
		"all": {marshal(t, &boot.BootstrapParams{
			InstanceID: "a", Namespace: "ns", ContainerdVersion: "2.4.2", ContainerdTtrpcAddress: "/c.ttrpc", SocketDir: &dir,
		}), params{true, dir, "/c.ttrpc"}},
		"another's": {marshal(t, &boot.BootstrapParams{InstanceID: "b", Namespace: "ns", ContainerdVersion: "2.4.2"}), params{false, defaultSocketDir, "/env.ttrpc"}},
	} {
		if got := parameters(c.in, &Flags{ID: "a", Namespace: "ns"}); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v; want %+v", name, got, c.want)
		}
	}
}

func FuzzParameters(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(marshal(f, &boot.BootstrapParams{InstanceID: "a", Namespace: "ns", ContainerdVersion: "2.4.2"}))
	f.Add(marshal(f, &anypb.Any{TypeUrl: "a", Value: []byte("b")}))
	f.Fuzz(func(t *testing.T, in []byte) {
		if p := parameters(in, &Flags{ID: "a", Namespace: "ns"}); p.socketDir == "" {
			t.Error("no directory for the socket")
		}
	})
}

func TestGroup(t *testing.T) {
	for config, want := range map[string]string{
		`{}`: "a",
		`{"annotations":{"io.kubernetes.cri.sandbox-id":"pod"}}`:                                      "pod",
		`{"annotations":{"io.kubernetes.cri.sandbox-id":"pod","io.containerd.runcell.v1.group":"g"}}`: "g",
		`{"annotations":{"io.containerd.runcell.v1.group":""}}`:                                       "a",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := groupOf(&Flags{ID: "a", Bundle: dir}); got != want || err != nil {
			t.Errorf("groupOf(%s) = %q, %v; want %q", config, got, err, want)
		}
	}
}

// What an annotation says does not lead to the shim of another namespace or daemon.
func TestSocketPath(t *testing.T) {
	seen := map[string][]string{}
	for _, of := range [][]string{
		{"/c.sock", "a", "web"},
		{"/c.sock", "b", "web"},
		{"/c.sock", "a", "../b/web"},
		{"/c.sock", "a", "../../c.sock/b/web"},
		{"/c.sock", "a", "./web"},
		{"/c.sock", "a", "x/../web"},
		{"/d.sock", "a", "web"},
	} {
		path := socketPath("/s", of[0], of[1], of[2])
		if other := seen[path]; other != nil {
			t.Errorf("%q and %q have one socket", of, other)
		}
		seen[path] = of
	}
}

// A socket that a killed shim has left is taken over, one that is served is used.
// Of many that find a killed shim's socket at once, one takes it over.
func TestListenAtOnce(t *testing.T) {
	const starts, rounds = 8, 50
	path := filepath.Join(t.TempDir(), "s", "socket")
	for range rounds {
		var made [starts]*os.File
		var all sync.WaitGroup
		for i := range made {
			all.Go(func() {
				var err error
				if made[i], err = listen(path); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		n := 0
		for _, f := range made {
			if f != nil {
				n++
			}
		}
		if n != 1 || !Served(path) {
			t.Errorf("%d have made a socket, served: %v; want one", n, Served(path))
		}
		for _, f := range made { // all are killed
			if f != nil {
				_ = f.Close()
			}
		}
	}
}

func TestListen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s", "socket")
	first, err := listen(path)
	if err != nil || first == nil {
		t.Fatalf("listen = %v, %v", first, err)
	}
	if second, err := listen(path); second != nil || err != nil {
		t.Errorf("listen at a served socket = %v, %v; want none", second, err)
	}
	_ = first.Close()
	third, err := listen(path)
	if third == nil || err != nil {
		t.Fatalf("listen at a dead socket = %v, %v", third, err)
	}
	defer third.Close()
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("the socket's mode is %v, %v", fi.Mode(), err)
	}
}

// A socket that others could put another in the place of is not made, nor one whose
// name is too long for the kernel, which says "invalid argument".
func TestListenWhere(t *testing.T) {
	dir := t.TempDir()
	name := strings.Repeat("x", 64)
	for mode, want := range map[os.FileMode]string{0o700: "", 0o711: "", 0o755: "", 0o777: "others can write", 0o770: "others can write", 0o702: "others can write"} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		refused(t, filepath.Join(dir, "s"), want)
	}
	if os.Geteuid() == 0 {
		if err := errors.Join(os.Chmod(dir, 0o755), os.Chown(dir, 1, 0)); err != nil {
			t.Fatal(err)
		}
		refused(t, filepath.Join(dir, "s"), "others can write")
	}
	long := filepath.Join(dir, strings.Repeat("d", 120-len(dir)))
	refused(t, filepath.Join(long, name), "socket_dir")
	if _, err := os.Stat(long); err == nil {
		t.Error("a directory is made that no socket can be in")
	}
}

// refused expects that listen fails with some words; empty: that it does not.
func refused(t *testing.T, path, want string) {
	t.Helper()
	f, err := listen(path)
	if f != nil {
		_ = f.Close()
	}
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("listen at %s = %v; want %q", path, err, want)
	}
}

// gone is package runtime for a container that is not there any more.
type gone struct{ err error }

func (gone) State(string) (*runtime.State, error)         { return nil, runtime.ErrNotExist }
func (g gone) Delete(context.Context, string, bool) error { return g.err }

// Nothing there is fine, and quick; a shim that serves others keeps its socket.
func TestDelete(t *testing.T) {
	dir := t.TempDir()
	socket := filepath.Join(dir, "socket")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, AddressFile), []byte("unix://"+socket), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func() {
		t.Helper()
		var out bytes.Buffer
		began := time.Now()
		if err := Delete(&Flags{ID: "a", Bundle: dir}, gone{}, &out); err != nil {
			t.Fatal(err)
		}
		var answer task.DeleteResponse
		if err := proto.Unmarshal(out.Bytes(), &answer); err != nil || answer.GetExitStatus() != 137 || answer.GetExitedAt() == nil {
			t.Errorf("answer %v, %v", &answer, err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %v", took)
		}
	}
	run()
	if !Served(socket) {
		t.Error("the socket of a shim that serves is gone")
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = l.Close()
	run()
	if _, err := os.Lstat(socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket of a dead shim is left: %v", err)
	}
	want := errors.New("busy")
	if err := Delete(&Flags{ID: "a", Bundle: dir}, gone{want}, io.Discard); !errors.Is(err, want) {
		t.Errorf("Delete = %v; want %v", err, want)
	}
}

func TestInfo(t *testing.T) {
	var out bytes.Buffer
	var info types.RuntimeInfo
	if err := Info(&out, "1.2", "abc", oci.DescribeFeatures(kmod.All(), "1.2", "abc")); err != nil || proto.Unmarshal(out.Bytes(), &info) != nil {
		t.Fatal(err)
	}
	if info.GetName() != shim.Name || info.GetVersion().GetVersion() != "1.2" || info.GetVersion().GetRevision() != "abc" {
		t.Errorf("info %v", &info)
	}
	// As containerd's package typeurl reads it.
	var can features.Features
	if err := json.Unmarshal(info.GetFeatures().GetValue(), &can); err != nil || info.GetFeatures().GetTypeUrl() != featuresURL {
		t.Fatalf("features %v: %v", info.GetFeatures(), err)
	}
	// containerd, which is asked for idmapped mounts, looks there without a look
	// whether it is there.
	if m := can.Linux.MountExtensions; can.OCIVersionMax == "" || m == nil || m.IDMap == nil || *m.IDMap.Enabled {
		t.Errorf("features %+v: want that there are no idmapped mounts", can)
	}
	out.Reset()
	info.Reset()
	if err := Info(&out, "1.2", "abc", nil); err != nil || proto.Unmarshal(out.Bytes(), &info) != nil || info.GetFeatures() != nil {
		t.Errorf("info without features: %v, %v", &info, err)
	}
}
