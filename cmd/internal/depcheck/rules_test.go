package depcheck

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
		{"layout", "trust"},
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
		{"internal/step"},
		{"internal/sys", "internal/fault", "internal/devices", "internal/nofile", "internal/signals"},
	}, nil},
	{"./shim", [][]string{{"bootstrap", "task"}, {"stdio", "mounts", "events", "snapshots"}, {"."}}, nil},
	{"./conformance/kmod", [][]string{{"."}, {"agent"}, {"node"}}, nil},
	{"./conformance/adversary", [][]string{{"."}, {"host"}, {"attack"}, {"calls", "ledger", "linux"}}, nil},
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
	{
		From: []string{"./image"}, To: []string{"./runtime", "./oci", "./kmod", "./cmd", "./conformance"},
		But: []string{"./kmod/inroot", "./kmod/flock", "./kmod/searchpath", "./kmod/signame"}, Why: "images know no containers",
	},
	{From: []string{"./runtime"}, To: []string{"./image", "./cmd", "./conformance"}, Why: "containers know no images"},
	{
		From: []string{"./shim"}, To: []string{"./image", "./kmod/emulator", "./kmod/sysctl", "./cmd", "./conformance"},
		Why: "containerd has the images, and the program chooses the kernel's side", Free: []string{"./shim/snapshots"},
	},
	{
		From: []string{"./shim/snapshots"}, To: []string{"./runtime", "./oci", "./kmod", "./cmd", "./conformance"},
		But: []string{"./kmod/inroot", "./kmod/flock"}, Why: "it copies trees, and knows no containers",
	},
	{From: []string{"./shim", "./cmd/containerd-shim-runcell-v1"}, To: []string{"./shim/snapshots"}, Why: "its program is another one: a shim does not link a server's library"},
	{From: []string{"./runtime", "./oci", "./image", "./kmod", "./cmd/runcell", "./cmd/runcell-image"}, To: []string{"./shim"}, Why: "the shim is for containerd alone"},
	{From: []string{"./oci"}, To: []string{"./image", "./runtime", "./cmd", "./conformance"}, Why: "a plan is made before anything runs"},
	{
		From: []string{"./kmod"}, To: []string{"./oci", "./runtime", "./image", "./cmd", "./conformance"},
		Why: "the kernel's boundary knows neither OCI nor images",
	},
	{From: []string{"./runtime", "./oci", "./image"}, To: []string{"./kmod/emulator", "./kmod/sysctl"}, Why: "they know kmod.Client only"},
	{
		From: []string{"./kmod/policy"}, To: []string{"./kmod"}, But: []string{"./kmod/policy"}, Free: []string{"./kmod/policy/gen"},
		Why: "the table depends on nothing: the module's C header is made from it",
	},
	{From: []string{"./cmd/runcell", "./cmd/internal"}, To: []string{"./image"}, Why: "it costs every command start-up time: cmd/runcell-image is for it"},
	{
		From: []string{"./conformance"}, To: []string{"./runtime", "./oci", "./kmod", "./image"}, Free: []string{"./conformance/kmod", "./conformance/adversary", "./conformance/vm/agent"},
		Why: "the suite knows the runtime by its command line only, so that it can judge any runtime",
	},
	{
		From: []string{"./image/internal/imagetest"}, Why: "tests inside the rooms import it: what drives them is story's",
		To: []string{"./image/sets", "./image/pack", "./image/bundle", "./image/transfer", "./image/store", "./image/layer", "./image/registry", "./image/layout"},
	},
}

func TestWallsBetweenHouses(t *testing.T) {
	for _, system := range systems {
		for _, b := range bans {
			report(t, system, b.broken(load(t, system)))
		}
	}
}

// programs are what is installed.
var programs = []string{"./cmd/runcell", "./cmd/runcell-image", "./cmd/containerd-shim-runcell-v1", "./cmd/containerd-snapshotter-runcell"}

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

// walker is the one package that resolves a path that a container or an image
// can write: its callers get no descriptor of a directory.
const walker = "./kmod/inroot"

// calls are those of other packages that take a name, or a number that could be
// any call's, and why each is no second walker. It is the only list of them. An
// entry that is not needed any more fails.
var calls = map[string]struct {
	names string
	why   string
}{
	"./image/layout": {
		"Rename",
		"a file of a layout, which is the caller's",
	},
	"./kmod/emulator": {
		"Access Lstat Mkdir Open Readlink Rmdir SYS_CHOWN SYS_FCHOWNAT SYS_LCHOWN SYS_MKNOD SYS_MKNODAT SYS_NAME_TO_HANDLE_AT SYS_OPEN_BY_HANDLE_AT Stat Symlink Unlink",
		"its own state, the host's /proc, /dev and cgroups; numbers of calls that the filter denies",
	},
	"./kmod/stage": {
		"SYS_OPEN SYS_OPENAT sysSigaction=340 sysSysctl=202",
		"numbers, to tell which arguments are descriptors",
	},
	"./kmod/sysctl": {
		"sysChdir=12 sysChroot=61 sysDup2=90 sysFcntl=92 sysKill=37 sysSysctl=202 sysWrite=4",
		"numbers of what its helpers do on NetBSD, also where package unix lacks them",
	},
	"./runtime": {
		"Open",
		"namespaces that the configuration names",
	},
	"./runtime/internal/console": {
		"Open",
		"the working directory, to come back to; the host's /dev/ptm",
	},
	"./runtime/internal/devices": {
		"Stat",
		"the host's nodes",
	},
	"./runtime/internal/exeseal": {
		"Stat",
		"programs in the host's /proc",
	},
	"./runtime/internal/hostroot": {
		"sysFstatvfs190=485 sysGetvfsstat90=483",
		"calls that package unix lacks; they take a path of the host's mount table",
	},
	"./runtime/internal/launch": {
		"Mkfifo Open",
		"files of the state directory; the pid file, which is the caller's",
	},
	"./runtime/internal/monitor": {
		"Open sysKevent=435",
		"a file of the state directory; a call that package unix lacks",
	},
	"./runtime/internal/network": {
		"Lstat",
		"the state directory",
	},
	"./runtime/internal/nofile": {
		"sysGetrlimit=194",
		"package unix would be initialised too late",
	},
	"./runtime/internal/process": {
		"Stat sysSigaction=340 sysWait6=481",
		"the host's /dev/null; calls that package unix lacks",
	},
	"./runtime/internal/signals": {
		"sysSigaction=340",
		"a call that package unix lacks",
	},
	"./runtime/internal/state": {
		"Lstat Rmdir",
		"the state directory",
	},
	"./runtime/internal/sys": {
		"Open Rename Unlink",
		"files of the state directory, and the host's /proc",
	},
	"./shim/bootstrap": {
		"Open",
		"the log in the bundle, which is containerd's",
	},
	"./shim/snapshots": {
		"Rename",
		"a directory of the store's takes the place of one right in a tree's root: no component is a container's, and the last one is not followed",
	},
	"./shim/stdio": {
		"Open",
		"FIFOs that containerd names",
	},
}

func TestOnePackageWalks(t *testing.T) {
	shipped := map[string]bool{}
	for _, system := range systems {
		for _, p := range load(t, system).reached(programs...) {
			if p != walker && anyBelow(p, []string{"./cmd", "./image", "./runtime", "./oci", "./kmod", "./shim"}) {
				shipped[p] = true
			}
		}
	}
	for _, p := range slices.Sorted(maps.Keys(shipped)) {
		may, needed := strings.Fields(calls[p].names), map[string]bool{}
		files, err := sources(root, p)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			made, err := callsIn(f, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range made {
				needed[c] = true
				if !slices.Contains(may, c) {
					t.Errorf("%s: %s calls %s: give %s a method, or say in calls why the name is no container's", p, filepath.Base(f), c, walker)
				}
			}
		}
		for _, c := range may {
			if !needed[c] {
				t.Errorf("%s does not call %s any more: take it out of calls", p, c)
			}
		}
	}
}

// TestWalkersOwnCalls: within the walker, too, few files make calls relative to a
// directory, so that each is one component and follows no link.
func TestWalkersOwnCalls(t *testing.T) {
	files, err := sources(root, walker)
	if err != nil {
		t.Fatal(err)
	}
	own := 0
	for _, f := range files {
		made, err := callsIn(f, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range made {
			if !relative.MatchString(c) || absolute.MatchString(c) {
				continue
			}
			own++
			if name := filepath.Base(f); !strings.HasPrefix(name, "at") && name != "dir_linux.go" && name != "steps.go" {
				t.Errorf("%s calls %s: that is at.go's business", f, c)
			}
		}
	}
	if own < 15 {
		t.Errorf("%s makes %d such calls: this test looks for the wrong thing", walker, own)
	}
}

// roomLines is how large a room may be.
const roomLines = 2300

func TestRoomsAreSmall(t *testing.T) {
	for p := range load(t, "linux") {
		if !anyBelow(p, []string{"./image", "./runtime", "./shim"}) {
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

// What an embedder of package runtime has to know is a page: as a printer counts its
// lines.
func TestRuntimeIsAPage(t *testing.T) {
	const page = 66
	doc := exec.Command("go", "doc", "./runtime")
	doc.Dir = root
	text, err := doc.Output()
	if n := strings.Count(string(text), "\n"); err != nil || n < 20 || n > page {
		t.Errorf("go doc ./runtime has %d lines, %v; want at most %d", n, err, page)
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
	b := ban{From: []string{"a"}, To: []string{"b"}, But: []string{"b/open"}, Why: "because", Free: []string{"a/free"}}
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
		{"ban's free", b.broken(graph{"a/free": {"b/y"}}), ""},
		{"ban's own", b.broken(graph{"a": {"b/open/z", "bb"}, "c": {"b"}}), ""},
		{"linked", graph{"p": {"q"}, "q": {"r"}, "s": nil}.reached("p"), "p q r"},
	} {
		got := strings.Join(tt.got, " ")
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) || tt.name != "linked" && len(tt.got) > 1 {
			t.Errorf("%s: %q; want %q", tt.name, tt.got, tt.want)
		}
	}
}

func TestCallsAreSeen(t *testing.T) {
	src := `package p
import (
	u "golang.org/x/sys/unix"
	"syscall"
	"os"
	"github.com/netbsd-cells/runcell/kmod/stage"
)
const sysOdd = 481
const other = 5
var _ = []any{u.Openat2, u.Stat, u.Fstat, u.O_CREAT, u.Statx, syscall.SYS_FCHOWNAT, u.SYS_FSTATAT, u.UtimesNanoAt, os.Lstat, u.SYS_FSTAT, u.SYS_SHMAT,
	u.Renameat, u.Open, u.Unlink, u.Lsetxattr, u.Close, u.SYS_MKDIR, u.Stat_t{}, u.Read}
func f() {
	u.Syscall(257, 0, 0, 0)
	u.RawSyscall6(u.SYS_GETPID, 0, 0, 0, 0, 0, 0)
	stage.Sys("x", 258)
	stage.Sys("x", u.SYS_GETPID)
	_ = stage.Step{Nr: 259}
}
`
	got, err := callsIn("p.go", src)
	want := []string{
		"257", "258", "259", "Lsetxattr", "Open", "Openat2", "Renameat", "SYS_FCHOWNAT", "SYS_FSTATAT", "SYS_MKDIR", "Stat", "Statx", "Unlink",
		"UtimesNanoAt", "sysOdd=481",
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("callsIn = %q, %v; want %q", got, err, want)
	}
	if _, err := callsIn("p.go", "package p\nimport . \"syscall\"\n"); err == nil {
		t.Errorf("callsIn of a dot import = nil; want an error")
	}
}

// stageCall is a system call's number in a source.
var stageCall = regexp.MustCompile(`unix\.(SYS_[A-Z0-9_]+)`)

// TestEveryStepHasARow: a call that stage's table does not know fails when it is
// to run, and on one system alone. Here are those of both.
func TestEveryStepHasARow(t *testing.T) {
	found := 0
	for _, system := range systems {
		table, err := os.ReadFile(filepath.Join(root, "kmod", "stage", "descriptors_"+system+".go"))
		if err != nil {
			t.Fatal(err)
		}
		for p, imports := range load(t, system) {
			if !slices.Contains(imports, "./kmod/stage") || !anyBelow(p, []string{"./runtime", "./kmod"}) {
				continue
			}
			files, err := sources(root, p)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range files {
				if strings.HasSuffix(f, "_"+other(system)+".go") {
					continue
				}
				text, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				if !strings.Contains(string(text), "stage.Step") {
					continue
				}
				for _, m := range stageCall.FindAllStringSubmatch(string(text), -1) {
					found++
					if !strings.Contains(string(table), "unix."+m[1]+":") {
						t.Errorf("%s: %s has no row in kmod/stage/descriptors_%s.go", f, m[1], system)
					}
				}
			}
		}
	}
	if found < 50 {
		t.Errorf("found %d calls: this test looks for the wrong thing", found)
	}
}

func other(system string) string {
	if system == "linux" {
		return "netbsd"
	}
	return "linux"
}
