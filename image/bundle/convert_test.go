package bundle

// From an image config to a runtime config, field by field.

import (
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/kmod/inroot"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// treeOf makes a tree of files by name, and directories whose names end in "/".
func treeOf(t *testing.T, files map[string]string) *inroot.Tree {
	t.Helper()
	dir := t.TempDir()
	for name, body := range files {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(name, "/") {
			if err := os.WriteFile(at, []byte(body), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if err := os.MkdirAll(at, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tree, err := inroot.OpenTree(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tree.Close() })
	return tree
}

// matches tells whether an error has a text, or is none where that is empty.
func matches(err error, want string) bool {
	if want == "" {
		return err == nil
	}
	return err != nil && strings.Contains(err.Error(), want)
}

// notesOf are notes as text, sorted.
func notesOf(n *image.Notes) []string {
	var list []string
	for _, one := range n.List {
		list = append(list, one.Where+": "+one.Reason)
	}
	slices.Sort(list)
	return list
}

func TestCheckConfig(t *testing.T) {
	for name, c := range map[string]struct {
		config v1.ImageConfig
		want   string
	}{
		"nothing":    {v1.ImageConfig{}, ""},
		"good":       {v1.ImageConfig{Env: []string{"A=b"}, WorkingDir: "/a/../b", ExposedPorts: map[string]struct{}{"80/tcp": {}}, Volumes: map[string]struct{}{"/": {}, "/d": {}}}, ""},
		"no port":    {v1.ImageConfig{ExposedPorts: map[string]struct{}{"": {}}}, `config.ExposedPorts "": want PORT`},
		"relative":   {v1.ImageConfig{WorkingDir: "rel"}, `config.WorkingDir "rel": want a path from the image's root: begin it with a slash`},
		"no volume":  {v1.ImageConfig{Volumes: map[string]struct{}{"": {}}}, `config.Volumes "": want a path from the image's root`},
		"volumes":    {v1.ImageConfig{Volumes: map[string]struct{}{"/d": {}, "d": {}}}, `config.Volumes "d": want a path from the image's root`},
		"out":        {v1.ImageConfig{Volumes: map[string]struct{}{"/../d": {}}}, `config.Volumes "/../d": ".." in the name`},
		"a variable": {v1.ImageConfig{Env: []string{"A"}}, `config.Env[0] "A": want NAME=value`},
		"no name":    {v1.ImageConfig{Env: []string{"A=b", "=x"}}, `config.Env[1] "=x": want NAME=value`},
		"a NUL":      {v1.ImageConfig{Env: []string{"A=\x00"}}, "want NAME=value"},
		"a way out":  {v1.ImageConfig{WorkingDir: "/../x"}, `config.WorkingDir "/../x": ".." in the name leads out`},
		"a long way": {v1.ImageConfig{WorkingDir: strings.Repeat("/a", 2049)}, "a name of 4098 bytes"},
		"a port":     {v1.ImageConfig{ExposedPorts: map[string]struct{}{"http": {}}}, "config.ExposedPorts"},
	} {
		if err := CheckConfig(&c.config); !matches(err, c.want) {
			t.Errorf("%s: error is %v; want %q", name, err, c.want)
		}
	}
}

func TestCheckUser(t *testing.T) {
	for _, s := range []string{"web", "web:www", "0", "0:0", "4294967294:4294967294", "web:0", "a.b-c_d"} {
		if err := CheckConfig(&v1.ImageConfig{User: s}); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	for s, want := range map[string]string{
		"a:b:c": `config.User "a:b:c": want USER or USER:GROUP`, ":": "want USER", ":g": "want USER", "u:": "want USER", "u:g:": "want USER",
		"-1": "want USER", "u:-1": "want USER", "a b": "want USER", "a\nb": "want USER", "a\x00": "want USER", "u:a\x7f": "want USER",
		"4294967295": "4294967295 is no id: they go to 4294967294", "0:4294967295": "is no id", "99999999999999999999999": "is no id",
	} {
		if err := CheckConfig(&v1.ImageConfig{User: s}); !matches(err, want) {
			t.Errorf("%q: error is %v; want %q", s, err, want)
		}
	}
}

// A signal is one of this system or of another, on which the image runs: made and
// read by one rule.
func TestStopSignal(t *testing.T) {
	for s, is := range map[string]bool{
		"SIGINT": true, "int": true, "SigTerm": true, "1": true, "64": true, "SIGINFO": true, "SIGPWR": true, "winch": true,
		"NOPE": false, "0": false, "65": false, "-9": false, "SIG": false, "SIGSIGINT": false, "SIGRTMIN+3": true, " INT": false, "15 ": false,
	} {
		want, notes := "", []string(nil)
		if !is {
			want = "config.StopSignal " + image.Quote(s) + ": want a name such as SIGINT or SIGRTMIN+3, or a number from 1 to 64"
			notes = []string{"config.StopSignal " + image.Quote(s) + ": it is no signal: \"runcell stop\" needs --time 0, which kills"}
		}
		c := v1.ImageConfig{StopSignal: s, Cmd: []string{"c"}}
		if err := CheckConfig(&c); !matches(err, want) {
			t.Errorf("%q: error is %v; want %q", s, err, want)
		}
		n := &image.Notes{}
		spec, err := runtimeSpec(treeOf(t, nil), &v1.Image{Config: c}, false, n)
		if err != nil || !slices.Equal(notesOf(n), notes) || spec.Annotations["org.opencontainers.image.stopSignal"] != s {
			t.Errorf("%q is read as %v, %q, %v; want the notes %q", s, spec, notesOf(n), err, notes)
		}
	}
}

func TestRuntimeSpec(t *testing.T) {
	day := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	tree := treeOf(t, map[string]string{"etc/passwd": "web:x:7:8::/srv:\n", "file": "x"})
	n := &image.Notes{}
	got, err := runtimeSpec(tree, &v1.Image{
		Created: &day, Author: "a", Platform: v1.Platform{OS: "linux", Architecture: "arm", Variant: "v7", OSVersion: "1"},
		Config: v1.ImageConfig{
			User: "web", Cmd: []string{"c"}, WorkingDir: "w/d", Volumes: map[string]struct{}{"/file": {}, "/v": {}},
			Labels: map[string]string{"": "no name", "empty": "", "l": "x", "org.netbsd.cell.permissions": "mount", "org.opencontainers.image.os": "", "org.opencontainers.image.author": "b"},
		},
	}, true, n)
	if err != nil {
		t.Fatal(err)
	}
	want := &specs.Spec{
		Version: specs.Version, Root: &specs.Root{Path: "rootfs"}, Mounts: defaultMounts(),
		Process: &specs.Process{User: specs.User{UID: 7, GID: 8}, Args: []string{"c"}, Cwd: "/w/d", Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/srv"}},
		Annotations: map[string]string{
			"l": "x", "org.opencontainers.image.architecture": "arm", "org.opencontainers.image.variant": "v7", "org.opencontainers.image.os.version": "1",
			"org.opencontainers.image.author": "b", "org.opencontainers.image.created": "2026-01-02T03:04:05.000000006Z",
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the runtime config is\n%+v\n%+v\nwant\n%+v\n%+v", got, got.Process, want, want.Process)
	}
	if got, want := notesOf(n), []string{`config.Labels "org.netbsd.cell.permissions": the label was left out: an image may not grant its own cell anything`, `config.Volumes "/file": ` + volumeOnFile, `config.Volumes "/v": ` + volumeInRootfs}; !slices.Equal(got, want) {
		t.Errorf("notes are %q; want %q", got, want)
	}
	for name, c := range map[string]struct {
		config v1.ImageConfig
		want   string
	}{
		"a NUL in an argument":     {v1.ImageConfig{Entrypoint: []string{"a"}, Cmd: []string{"b\x00"}}, "argument 1 has a NUL byte"},
		"a working directory":      {v1.ImageConfig{WorkingDir: "/file"}, `config.WorkingDir "/file": enter directory "file": `},
		"a volume out":             {v1.ImageConfig{Volumes: map[string]struct{}{"/../x": {}}}, `config.Volumes "/../x": ".." in the name`},
		"a user":                   {v1.ImageConfig{User: "x"}, "config.User"},
		"a variable with a NUL":    {v1.ImageConfig{Env: []string{"A=\x00"}}, "config.Env[0]"},
		"a port to be reserved":    {v1.ImageConfig{ExposedPorts: map[string]struct{}{"x": {}}}, "want PORT, PORT/tcp or PORT/udp, which can be reserved: leave --reserve-ports out"},
		"no more than that it has": {v1.ImageConfig{Cmd: []string{"a"}, WorkingDir: "/", ExposedPorts: map[string]struct{}{"80": {}}}, ""},
	} {
		if _, err := runtimeSpec(tree, &v1.Image{Config: c.config}, true, &image.Notes{}); !matches(err, c.want) {
			t.Errorf("%s: error is %v; want %q", name, err, c.want)
		}
	}
	n = &image.Notes{}
	got, err = runtimeSpec(tree, &v1.Image{}, false, n)
	if err != nil || !slices.Equal(got.Process.Args, []string{"/bin/sh"}) || got.Process.Cwd != "/" || len(got.Annotations) != 0 {
		t.Errorf("of an empty config: %+v, %v", got, err)
	}
	if got := notesOf(n); len(got) != 1 || !strings.HasPrefix(got[0], "config.Cmd: the image names no program") {
		t.Errorf("of an empty config: notes are %q", got)
	}
}

func TestEnvironment(t *testing.T) {
	const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	for _, c := range []struct {
		list  []string
		home  string
		want  []string
		notes int
		err   string
	}{
		{nil, "", []string{path}, 0, ""},
		{[]string{"A=b"}, "/h", []string{path, "A=b", "HOME=/h"}, 0, ""},
		{[]string{"PATH=/x", "A=b"}, "", []string{"PATH=/x", "A=b"}, 0, ""},
		{[]string{"HOME=/x", "A=b"}, "/h", []string{path, "HOME=/x", "A=b"}, 0, ""},
		{[]string{"PATH=", "HOME="}, "/h", []string{"PATH=", "HOME="}, 0, ""},
		{[]string{"PATH", "=x", "A=b"}, "", []string{path, "A=b"}, 2, ""},
		{nil, "/h\x00", []string{path}, 0, ""},
		{[]string{"A=b", "B=\x00"}, "", nil, 0, `config.Env[1]`},
		{[]string{"A=b", "B\x00"}, "", nil, 0, `config.Env[1]`},
	} {
		n := &image.Notes{}
		got, err := environment(c.list, "linux", c.home, n)
		notes := 0
		for _, one := range n.List {
			notes += one.Count
		}
		if !matches(err, c.err) || !slices.Equal(got, c.want) || notes != c.notes {
			t.Errorf("%q, %q: %q, notes %v, %v; want %q, %d notes, %q", c.list, c.home, got, n.List, err, c.want, c.notes, c.err)
		}
	}
}

func TestPorts(t *testing.T) {
	for _, c := range []struct {
		set  []string
		want string
		err  string
	}{
		{nil, "", ""},
		{[]string{""}, "", ""},
		{[]string{"80"}, "80/tcp", ""},
		{[]string{"80/tcp", "80", "80/TCP"}, "80/tcp", ""},
		{[]string{"9/udp", "80/tcp", "10/tcp", "9/tcp", "100/tcp"}, "9/tcp,9/udp,10/tcp,80/tcp,100/tcp", ""},
		{[]string{"8-10/Udp", "9"}, "8/udp,9/tcp,9/udp,10/udp", ""},
		{[]string{"5-5", "65535", "1"}, "1/tcp,5/tcp,65535/tcp", ""},
		{[]string{"0"}, "", "want PORT, PORT/tcp or PORT/udp"},
		{[]string{"0-5"}, "", "want PORT, PORT/tcp or PORT/udp"},
		{[]string{"9-5"}, "", "want PORT, PORT/tcp or PORT/udp"},
		{[]string{"70000-65535"}, "", "want PORT, PORT/tcp or PORT/udp"},
		{[]string{"5-70000"}, "", "want PORT, PORT/tcp or PORT/udp"},
		{[]string{"x-5"}, "", "want PORT, PORT/tcp or PORT/udp"},
		{[]string{"5-x"}, "", "want PORT, PORT/tcp or PORT/udp"},
		{[]string{"5/sctp"}, "", "want PORT, PORT/tcp or PORT/udp"},
		{[]string{"5/"}, "", "want PORT, PORT/tcp or PORT/udp"},
		{[]string{"5/tcp/udp"}, "", "want PORT, PORT/tcp or PORT/udp"},
		{[]string{"1-1025"}, "", "more than 1024 ports"},
		{[]string{"1-1000", "2000-2024"}, "", "more than 1024 ports"},
	} {
		set := map[string]struct{}{}
		for _, s := range c.set {
			set[s] = struct{}{}
		}
		if got, err := exposed(set); !matches(err, c.err) || strings.Join(got, ",") != c.want {
			t.Errorf("%q: %q, %v; want %s, %q", c.set, got, err, c.want, c.err)
		}
	}
	for _, most := range []map[string]struct{}{{"1-1024": {}}, {"1-1000": {}, "2000-2023": {}}} {
		if got, err := exposed(most); err != nil || len(got) != 1024 {
			t.Errorf("%v: %d ports, %v", most, len(got), err)
		}
	}
	n := &image.Notes{}
	if got, err := reservable(map[string]struct{}{"80": {}, "x": {}}, false, n); got != nil || err != nil || len(n.List) != 1 || n.List[0].Where != `config.ExposedPorts "x"` {
		t.Errorf("what is not to be reserved: %q, %v, notes %v", got, err, n.List)
	}
}

func TestLookupUser(t *testing.T) {
	passwd := "web:x:7:8::/srv:\nmost:x:4294967294:4294967294::/:\nuid:x:4294967295:0::/:\ngid:x:0:4294967295::/:\nlarge:x:99999999999999999999:0::/:\nlargegid:x:0:99999999999999999999::/:\nmany:x:1:1::/:\nfew:x:1:1::/:\n"
	group := "a:x:20:web\nb:x:4294967294:web\nc:x:4294967295:many\nd:x:99999999999999999999:few\n"
	tree := treeOf(t, map[string]string{"etc/passwd": passwd, "etc/group": group})
	for _, c := range []struct {
		name string
		want specs.User
		err  string
	}{
		{"web", specs.User{UID: 7, GID: 8, AdditionalGids: []uint32{20, 4294967294}}, ""},
		{"most", specs.User{UID: 4294967294, GID: 4294967294}, ""},
		{"0:0", specs.User{}, ""},
		{"uid", specs.User{}, "4294967295:0 is out of range"},
		{"gid", specs.User{}, "0:4294967295 is out of range"},
		{"large", specs.User{}, "is out of range"},
		{"largegid", specs.User{}, "is out of range"},
		{"many", specs.User{}, "group id 4294967295 is out of range"},
		{"few", specs.User{}, "group id "},
	} {
		// Who reads the files has ints: where they have 32 bits, larger ids are refused.
		if strconv.IntSize == 32 && slices.Contains([]string{"web", "most", "uid", "gid", "many"}, c.name) {
			c.err = "is out of range"
		}
		u, _, err := lookupUser(tree, c.name)
		if !matches(err, c.err) || err == nil && !reflect.DeepEqual(u, c.want) {
			t.Errorf("%s: %+v, %v; want %+v, %q", c.name, u, err, c.want, c.err)
		}
	}
	for n, want := range map[int64]bool{-1: false, 0: true, math.MaxUint32 - 1: true, math.MaxUint32: false, math.MaxInt64: false, math.MinInt64: false} {
		if i := int(n); int64(i) == n && isID(i) != want { // an int of 32 bits holds less
			t.Errorf("isID(%d) = %v", n, !want)
		}
	}
	for name, files := range map[string]map[string]string{"no directory": {}, "no file": {"etc/": ""}, "a file in its place": {"etc": "x"}} {
		if u, _, err := lookupUser(treeOf(t, files), "5"); err != nil || u.UID != 5 {
			t.Errorf("%s: %+v, %v", name, u, err)
		}
	}
	if _, _, err := lookupUser(treeOf(t, map[string]string{"etc/group/": ""}), "5"); !matches(err, "read the image's /etc/group: ") {
		t.Errorf("a directory in its place: %v", err)
	}
}

// A label is an annotation, but not one that the cell itself is configured by.
func TestLabels(t *testing.T) {
	n := &image.Notes{}
	cfg := &v1.Image{Config: v1.ImageConfig{ExposedPorts: map[string]struct{}{"80": {}}, Labels: map[string]string{reservedPorts: "22", cellPrefix + "profile": "low", "org.netbsd.cellar": "x"}}}
	for reserve, ports := range map[bool]string{false: "", true: "80/tcp"} {
		got, err := annotate(cfg, reserve, n)
		if err != nil || got[reservedPorts] != ports || got[cellPrefix+"profile"] != "" || got["org.netbsd.cellar"] != "x" {
			t.Errorf("reserve %v: %v, %v", reserve, got, err)
		}
		if _, there := got[reservedPorts]; there != reserve {
			t.Errorf("reserve %v: %v", reserve, got)
		}
	}
	if len(n.List) != 1 || n.List[0].Count != 4 || n.List[0].Where != `config.Labels "org.netbsd.cell.profile"` {
		t.Errorf("notes are %+v; want the two labels, twice", n.List)
	}
}
