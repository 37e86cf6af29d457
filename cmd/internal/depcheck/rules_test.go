package depcheck

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// root is the module's directory, from here.
var root = filepath.Join("..", "..", "..")

// The systems that the module is built for.
var systems = []string{"linux", "netbsd"}

var loaded = map[string]func() (graph, error){
	"linux":  sync.OnceValues(func() (graph, error) { return list(root, "linux") }),
	"netbsd": sync.OnceValues(func() (graph, error) { return list(root, "netbsd") }),
}

func load(t *testing.T, system string) graph {
	t.Helper()
	g, err := loaded[system]()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func report(t *testing.T, system string, faults []string) {
	t.Helper()
	for _, f := range faults {
		t.Errorf("%s: %s", system, f)
	}
}

// houses are the orders of rooms.
var houses = []house{
	{"./image", [][]string{
		{"sets"},
		{"pack"},
		{"bundle", "transfer"},
		{"store", "layer", "registry", "dockerarchive"},
		{"layout"},
		{"manifest", "reference", "internal/archive", "internal/backoff"},
		{"internal/verify", "internal/stream", "internal/compress", "internal/lock"},
		{".", "internal/inflate"},
	}, []string{"./image/internal/imagetest", "./image/internal/story"}},
	{"./runtime", [][]string{
		{"."},
		{"internal/launch"},
		{"internal/rootfs", "internal/monitor", "internal/hooks"},
		{"internal/console", "internal/hostroot"},
		{"internal/process", "internal/network", "internal/state", "internal/exeseal"},
		{"internal/undo"},
		{"internal/sys", "internal/fault", "internal/devices"},
	}, nil},
	{"./conformance/kmod", [][]string{{"."}, {"agent"}, {"node"}}, nil},
	{"./conformance/adversary", [][]string{{"."}, {"host"}, {"attack"}, {"calls", "ledger"}}, nil},
}

func TestNothingReachesUp(t *testing.T) {
	for _, system := range systems {
		for _, h := range houses {
			report(t, system, h.up(load(t, system)))
		}
	}
}

// bans are the walls between the houses: one straight path from a config to a
// plan, to the runtime, to the kernel.
var bans = []ban{
	{[]string{"./image"}, []string{"./runtime", "./oci", "./kmod", "./cmd", "./conformance"}, []string{"./kmod/inroot", "./kmod/flock"}, "images know no containers"},
	{[]string{"./runtime"}, []string{"./image", "./cmd", "./conformance"}, nil, "containers know no images"},
	{[]string{"./oci"}, []string{"./image", "./runtime", "./cmd", "./conformance"}, nil, "a plan is made before anything runs"},
	{[]string{"./kmod"}, []string{"./oci", "./runtime", "./image", "./cmd", "./conformance"}, nil, "the kernel's boundary knows neither OCI nor images"},
	{[]string{"./runtime", "./oci", "./image"}, []string{"./kmod/emulator", "./kmod/sysctl"}, nil, "they know kmod.Client only"},
}

func TestWallsBetweenHouses(t *testing.T) {
	for _, system := range systems {
		for _, b := range bans {
			report(t, system, b.broken(load(t, system)))
		}
	}
}

// programs are what is installed.
var programs = []string{"./cmd/runcell", "./cmd/runcell-image"}

// emulation is what must not be in a binary for NetBSD.
var emulation = []string{"./kmod/emulator", "github.com/cilium/ebpf", "golang.org/x/net/bpf", "github.com/elastic/go-seccomp-bpf"}

func TestNetBSDLinksNoEmulator(t *testing.T) {
	for _, p := range load(t, "netbsd").reached(programs...) {
		if anyBelow(p, emulation) {
			t.Errorf("the NetBSD binaries link %s", p)
		}
	}
	if !slices.Contains(load(t, "linux").reached(programs...), "./kmod/emulator") {
		t.Errorf("the Linux binaries do not link the emulator: this test looks for the wrong thing")
	}
}

// walkers may resolve a path that a container or an image can write, by calls
// relative to a directory: their callers get no descriptor and no such call.
var walkers = []string{"./kmod/inroot"}

// atCalls are those of other packages, and why each is no second walker. An
// entry that is not needed any more fails.
var atCalls = map[string]struct {
	calls []string
	why   string
}{
	"./kmod/emulator": {
		[]string{"SYS_FCHOWNAT", "SYS_MKNODAT", "SYS_NAME_TO_HANDLE_AT", "SYS_OPEN_BY_HANDLE_AT"},
		"numbers for the filter that denies them",
	},
}

func TestOnePackageWalks(t *testing.T) {
	shipped := map[string]bool{}
	for _, system := range systems {
		g := load(t, system)
		for _, p := range g.reached(programs...) {
			if anyBelow(p, []string{"./cmd", "./image", "./runtime", "./oci", "./kmod"}) {
				shipped[p] = true
			}
		}
	}
	for _, p := range slices.Sorted(maps.Keys(shipped)) {
		if slices.Contains(walkers, p) {
			continue
		}
		may, needed := atCalls[p], map[string]bool{}
		files, err := sources(root, p)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			calls, err := atCallsIn(f, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range calls {
				needed[c] = true
				if !slices.Contains(may.calls, c) {
					t.Errorf("%s: %s calls %s: walk with one of %v", p, filepath.Base(f), c, walkers)
				}
			}
		}
		for _, c := range may.calls {
			if !needed[c] {
				t.Errorf("%s does not call %s any more: take it out of atCalls", p, c)
			}
		}
	}
}

// roomLines is how large a room may be.
const roomLines = 2300

func TestRoomsAreSmall(t *testing.T) {
	for p := range load(t, "linux") {
		if !anyBelow(p, []string{"./image", "./runtime"}) {
			continue
		}
		files, err := sources(root, p)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := lines(files); err != nil || n > roomLines {
			t.Errorf("%s has %d lines, %v; want at most %d", p, n, err, roomLines)
		}
	}
}

// TestFaultsAreSeen gives the checks houses that are wrong.
func TestFaultsAreSeen(t *testing.T) {
	h := house{"h", [][]string{{"."}, {"left", "right"}, {"base"}}, []string{"h/helper"}}
	sound := graph{"h": {"h/left", "fmt"}, "h/left": {"h/base"}, "h/right": {"h/base", "other"}, "h/base": nil, "other": {"h"}}
	with := func(pkg string, imports ...string) graph {
		g := maps.Clone(sound)
		g[pkg] = imports
		return g
	}
	without := maps.Clone(sound)
	delete(without, "h/right")
	b := ban{[]string{"a"}, []string{"b"}, []string{"b/open"}, "because"}
	for _, tt := range []struct {
		name string
		got  []string
		want string // in the only fault; none if empty
	}{
		{"sound", h.up(sound), ""},
		{"up", h.up(with("h/base", "h")), "h/base imports h,"},
		{"beside", h.up(with("h/left", "h/right")), "h/left imports h/right,"},
		{"no floor", h.up(with("h/attic", "h/base")), "h/attic has no floor"},
		{"helper", h.up(with("h/helper", "h/left", "h")), ""},
		{"shipped helper", h.up(with("h/left", "h/helper")), "h/left imports h/helper, which is for tests"},
		{"no room", h.up(without), "h/right has a floor and is not there"},
		{"a name that begins the same", h.up(with("hut", "h/base")), ""},
		{"ban", b.broken(graph{"a/x": {"b/y"}}), "a/x imports b/y: because"},
		{"ban's own", b.broken(graph{"a": {"b/open/z", "bb"}, "c": {"b"}}), ""},
		{"linked", graph{"p": {"q"}, "q": {"r"}, "s": nil}.reached("p"), "p q r"},
	} {
		got := strings.Join(tt.got, " ")
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) || tt.name != "linked" && len(tt.got) > 1 {
			t.Errorf("%s: %q; want %q", tt.name, tt.got, tt.want)
		}
	}
}

func TestAtCalls(t *testing.T) {
	src := `package p
import (
	u "golang.org/x/sys/unix"
	"syscall"
	"os"
)
var _ = []any{u.Openat2, u.Stat, u.Fstat, u.O_CREAT, u.Statx, syscall.SYS_FCHOWNAT, u.SYS_FSTATAT, u.UtimesNanoAt, os.Lstat, u.SYS_FSTAT, u.SYS_SHMAT, u.Renameat}
`
	got, err := atCallsIn("p.go", src)
	want := []string{"Openat2", "Statx", "SYS_FCHOWNAT", "SYS_FSTATAT", "UtimesNanoAt", "Renameat"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("atCallsIn = %v, %v; want %v", got, err, want)
	}
	if _, err := atCallsIn("p.go", "package p\nimport . \"syscall\"\n"); err == nil {
		t.Errorf("atCallsIn of a dot import = nil; want an error")
	}
}
