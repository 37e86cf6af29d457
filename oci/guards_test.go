package oci

// What a configuration must not get past, at the edge: each case is one that a
// check taken out, or off by one, would let through or refuse too early. Beside
// the good cases it is what cmd/internal/mutants found nobody to ask.

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
)

// A path that is the root by another name would be mounted over everything, and
// a mask or a freeze upon it does nothing.
func TestTheRootByAnotherName(t *testing.T) {
	for _, root := range []string{"/", "//", "/.", "/./", "//./."} {
		for text, want := range map[string]string{
			`"mounts":[{"destination":"` + root + `","type":"tmpfs"}]`:                                                 "mounts[0].destination",
			`"mounts":[{"destination":"` + root + `","type":"bind","source":"/srv/"}]`:                                 "mounts[0].destination",
			`"linux":{"maskedPaths":["/a","` + root + `"]}`:                                                            "linux.maskedPaths[1]",
			`"linux":{"readonlyPaths":["` + root + `"]}`:                                                               "linux.readonlyPaths[0]",
			`"linux":{"devices":[{"path":"` + root + `","type":"c","major":1,"minor":3}]}`:                             "linux.devices[0].path",
			`"netbsd":{"cell":{"permissions":["raw-device"]},"devices":[{"path":"` + root + `","type":"b"}]}`:          "netbsd.devices[0].path",
			`"linux":{"devices":[{"path":"/dev` + root + `","type":"c","major":1,"minor":3}]}`:                         "linux.devices[0].path",
			`"linux":{"devices":[{"path":"/dev/` + root + `null","type":"c","major":1,"minor":3}]}`:                    "linux.devices[0].path",
			`"netbsd":{"cell":{"permissions":["raw-device"]},"devices":[{"path":"/dev/` + root + `x","type":"b"}]}`:    "netbsd.devices[0].path",
			`"netbsd":{"cell":{"permissions":["raw-device"]},"devices":[{"path":"/dev/pts/` + root + `","mode":1}]}`:   "netbsd.devices[0].path",
			`"netbsd":{"cell":{"permissions":["raw-device"]},"devices":[{"path":"/dev/x` + root + `","type":"c"}]}`:    "netbsd.devices[0].path",
			`"netbsd":{"cell":{"permissions":["raw-device"]},"devices":[{"path":"/dev/a/../` + root + `","type":""}]}`: "netbsd.devices[0].path",
		} {
			refused(t, minimal(text), want)
		}
	}
}

// refused expects that every kernel's configuration names the field as what
// stops it.
func refused(t *testing.T, text, field string) {
	t.Helper()
	cfg, err := Load(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	for _, f := range []kmod.Features{ourModule(), emulated()} {
		p, err := Compile(cfg, f)
		named := err != nil && slices.ContainsFunc(p.Notes, func(n Note) bool { return n.Fatal && strings.HasPrefix(n.Field, field) })
		if !named {
			t.Errorf("%s: %s: Compile = %v; want it refused for %s", f.Backend, text, err, field)
		}
	}
}

func TestDevicesAtTheEdge(t *testing.T) {
	for _, d := range []string{
		`{"path":"/dev/x","type":"c","major":-1,"minor":0}`, `{"path":"/dev/x","type":"c","major":0,"minor":-1}`,
		`{"path":"/dev/x","type":"b","major":4294967296,"minor":0}`, `{"path":"/dev/x","type":"b","major":0,"minor":4294967296}`,
	} {
		refused(t, minimal(`"netbsd":{"cell":{"permissions":["raw-device"]}},"linux":{"devices":[`+d+`]}`), "linux.devices[0]")
	}
	for _, d := range []string{`{"path":"x","type":"p"}`, `{"path":"x","type":"u"}`, `{"path":"x","mode":4096}`, `{"path":""}`} {
		refused(t, minimal(`"netbsd":{"cell":{"permissions":["raw-device"]},"devices":[`+d+`]}`), "netbsd.devices[0]")
	}
	p := compile(t, minimal(`"netbsd":{"cell":{"permissions":["raw-device"]},"devices":[{"path":"x","mode":4095}]},`+
		`"linux":{"devices":[{"path":"/dev/a","type":"b","major":0,"minor":4294967295},{"path":"/dev/b","type":"c","major":4294967295,"minor":0},`+
		`{"path":"/run/fifo","type":"p","major":-1,"minor":-1}]}`), emulated())
	given := p.Devices[len(p.Devices)-4:]
	if given[0].Minor != 1<<32-1 || given[1].Major != 1<<32-1 || given[2].Type != "p" || given[3].Type != "c" || *given[3].Mode != 0o7777 {
		t.Errorf("devices %+v; want them as given, and a character device where no type is", given)
	}
	// On a kernel that numbers devices in its own way, a number is the host's
	// node's, and the note says so; a FIFO has none.
	notes := compile(t, minimal(`"linux":{"devices":[{"path":"/dev/null","type":"c","major":7,"minor":7},{"path":"/run/f","type":"p"}]}`), ourModule())
	if n, _ := noteOn(notes, "linux.devices[0]"); n.Grade != Approximated {
		t.Errorf("a device with a number: %+v", n)
	}
	if n, _ := noteOn(notes, "linux.devices[1]"); n.Grade != Exact {
		t.Errorf("a FIFO: %+v", n)
	}
}

// A terminal's number is any of major 136 on the emulator, and each other number
// of linuxOrdinary is one device alone. Elsewhere the name decides.
func TestOrdinaryDevices(t *testing.T) {
	for number, ordinary := range map[string]bool{
		"1,3": true, "1,5": true, "1,7": true, "1,8": true, "1,9": true, "5,0": true, "5,2": true, "136,0": true, "136,77": true,
		"1,1": false, "1,2": false, "1,4": false, "5,1": false, "4,0": false, "8,3": false, "135,0": false, "137,0": false,
	} {
		major, minor, _ := strings.Cut(number, ",")
		text := minimal(`"linux":{"devices":[{"path":"/dev/x","type":"c","major":` + major + `,"minor":` + minor + `}]}`)
		if d := compile(t, text, emulated()).Devices; d[len(d)-1].Listed == ordinary {
			t.Errorf("emulator, %s: listed = %v", number, !ordinary)
		}
		if d := compile(t, text, ourModule()).Devices; !d[len(d)-1].Listed {
			t.Errorf("NetBSD, /dev/x %s: an ordinary device by a number of Linux", number)
		}
	}
	block := minimal(`"linux":{"devices":[{"path":"/dev/null","type":"b","major":1,"minor":3}]}`)
	if d := compile(t, block, emulated()).Devices; !d[len(d)-1].Listed {
		t.Error("a disk with the number of the null device is an ordinary device")
	}
	host := minimal(`"netbsd":{"devices":[{"path":"/dev/null"}]}`) // by name, on the emulator too
	if d := compile(t, host, emulated()).Devices; d[len(d)-1].Listed {
		t.Error("the host's /dev/null is listed")
	}
}

func TestAsManyDevicesAsThereMayBe(t *testing.T) {
	var list []string
	for i := range kmod.MaxDevices {
		list = append(list, fmt.Sprintf(`{"path":"/dev/d%d","type":"b","major":8,"minor":%d}`, i, i))
	}
	compile(t, minimal(`"linux":{"devices":[`+strings.Join(list, ",")+`]}`), ourModule())
	f := ourModule()
	f.DeviceList = kmod.Support{Level: kmod.Recorded, Reason: "kept only"}
	p := compile(t, minimal(`"linux":{"devices":[`+list[0]+`]}`), f)
	said := slices.ContainsFunc(p.Notes, func(n Note) bool { return n.Grade == Approximated && strings.Contains(n.Reason, "kept only") })
	if !said || !p.Devices[len(p.Devices)-1].Listed {
		t.Errorf("a list that is recorded: said = %v, %+v", said, p.Devices)
	}
}

// What is not mounted is looked at all the same: an image that has a link at
// /sys has something else hidden there than the caller means (CVE-2019-19921).
func TestUnmountedPlacesAreLookedAt(t *testing.T) {
	p := compile(t, minimal(`"mounts":[{"destination":"/sys","type":"sysfs"},{"destination":"/cg","type":"cgroup"}]`), emulated())
	if !slices.Equal(p.OrdinaryDirs, []string{"/sys"}) {
		t.Errorf("looked at: %q; want /sys", p.OrdinaryDirs)
	}
	for _, bad := range []string{"/sys/../x", "sys", "/"} {
		refused(t, minimal(`"mounts":[{"destination":"`+bad+`","type":"sysfs"}]`), "mounts[0].destination")
	}
}

// A namespace by a path is looked at by whoever carries the plan out.
func TestNamespacePathsAreHandedOn(t *testing.T) {
	p, _ := Compile(load(t, minimal(`"linux":{"namespaces":[{"type":"uts","path":"/proc/7/ns/uts"},{"type":"ipc"}]}`)), emulated())
	want := []Namespace{{Field: "linux.namespaces[0]", Type: "uts", Path: "/proc/7/ns/uts"}}
	if !reflect.DeepEqual(p.Namespaces, want) {
		t.Errorf("namespaces %+v; want %+v", p.Namespaces, want)
	}
	if n, ok := noteOn(p, "linux.namespaces"); !ok || n.Grade != Approximated {
		t.Errorf("no pid namespace is wanted: %+v; want a note that there is one", n)
	}
	if _, ok := noteOn(compile(t, minimal(`"linux":{"namespaces":[{"type":"pid"}]}`), emulated()), "linux.namespaces"); ok {
		t.Error("a pid namespace is wanted, and noted as missing")
	}
}

// Capabilities without a bounding set are none, which is not the same as no word
// about them.
func TestNoBoundingSet(t *testing.T) {
	want, _ := policy.ForCapabilities(policy.High, []string{}, nil)
	if want == policy.Defaults(policy.High) {
		t.Fatal("capabilities change nothing: this test asks for nothing")
	}
	p := compile(t, withProcess(`"capabilities":{"effective":["CAP_CHOWN"]}`), ourModule())
	if p.Cell.Permissions != want {
		t.Errorf("permissions %s; want %s", p.Cell.Permissions, want)
	}
}

// exec's process is checked as a container's is, and its capabilities change
// nothing.
func TestExecIsChecked(t *testing.T) {
	for text, want := range map[string]string{
		`{"cwd":"/"}`: "process.args: missing", `{"args":["x"]}`: "process.cwd: missing",
		`{"args":[""],"cwd":"/"}`: "process.args[0]", `{"args":["x"],"cwd":"/","user":{"uid":4294967295}}`: "process.user.uid",
	} {
		sp, err := LoadProcess(strings.NewReader(text))
		if err == nil {
			_, _, err = CompileProcess(sp, ourModule())
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", text, err, want)
		}
	}
	sp, err := LoadProcess(strings.NewReader(`{"args":["x"],"cwd":"/","capabilities":{"bounding":["CAP_SYS_ADMIN"]}}`))
	if err != nil {
		t.Fatal(err)
	}
	_, notes, err := CompileProcess(sp, ourModule())
	if err != nil || !slices.ContainsFunc(notes, func(n Note) bool {
		return n.Field == "process.capabilities" && n.Grade == Approximated && n.Value == "1 capability"
	}) {
		t.Errorf("notes %v, %v; want one that the capabilities change nothing", notes, err)
	}
}

// A setting given twice has to be the same both times, in each of its parts.
func TestNearlyTheSame(t *testing.T) {
	for section, annotation := range map[string]string{
		`"permissions":["time","-chown"]`: `"org.netbsd.cell.permissions":"time"`,
		`"permissions":["-chown"]`:        `"org.netbsd.cell.permissions":"-chown,time"`,
		`"reservedPorts":["80","81"]`:     `"org.netbsd.cell.reserved-ports":"80"`,
		`"reservedPorts":["80"]`:          `"org.netbsd.cell.reserved-ports":"80,81"`,
	} {
		_, err := Compile(load(t, minimal(`"netbsd":{"cell":{`+section+`}},"annotations":{`+annotation+`}`)), ourModule())
		if err == nil || !strings.Contains(err.Error(), "disagrees with") {
			t.Errorf("%s and %s: %v; want a disagreement", section, annotation, err)
		}
	}
}

// What is closed is not in the list of what is open as well.
func TestClosedIsNotOpen(t *testing.T) {
	text := `{"ociVersion":"1.3.0","root":{"path":"rootfs"},"process":{"args":["sh"],"cwd":"/","capabilities":{"bounding":["CAP_SYS_TIME"]}},` +
		`"annotations":{"org.netbsd.cell.permissions":"-time"}}`
	p := compile(t, text, ourModule())
	var said []Grant
	for _, g := range p.Cell.Grants {
		if g.Permission == policy.Time {
			said = append(said, g)
		}
	}
	if p.Cell.Permissions.Has(policy.Time) || len(said) != 1 || said[0].Open {
		t.Errorf("time is open: %v, grants %+v; want it closed, and said once", p.Cell.Permissions.Has(policy.Time), said)
	}
}

// The last value of a variable counts, and no other is there: of two, programs
// disagree which one they have.
func TestVariableTwice(t *testing.T) {
	p := compile(t, withProcess(`"env":["A=1","B=2","A=3","HOSTNAME=x"]`), ourModule())
	if want := []string{"B=2", "A=3", "HOSTNAME=x"}; !slices.Equal(p.Process.Env, want) {
		t.Errorf("environment %q; want %q", p.Process.Env, want)
	}
	if n, _ := noteOn(p, "process.env"); !strings.Contains(n.Reason, "the last value counts") {
		t.Errorf("note %+v; want the reason", n)
	}
}

// Numbers at their limits: the last that is accepted, the first that is not.
func TestNumbersAtTheirLimits(t *testing.T) {
	groups := strings.TrimSuffix(strings.Repeat("7,", defaultMaxGroups), ",")
	for accepted, over := range map[string]string{
		`"consoleSize":{"height":65535,"width":65535}`: `"consoleSize":{"height":1,"width":65536}`,
		`"user":{"umask":511}`:                         `"user":{"umask":512}`,
		`"user":{"additionalGids":[` + groups + `]}`:   `"user":{"additionalGids":[` + groups + `,7]}`,
		`"scheduler":{"policy":"","nice":-20}`:         `"scheduler":{"nice":-21}`,
		`"scheduler":{"nice":19}`:                      `"scheduler":{"nice":20}`,
	} {
		f := ourModule()
		f.MaxGroups = 0 // unknown: the system's
		compile(t, withProcess(accepted), f)
		if _, err := Compile(load(t, withProcess(over)), f); err == nil {
			t.Errorf("%s is accepted", over)
		}
	}
	for accepted, over := range map[string]string{
		"mode=7777": "mode=10000", "uid=4294967294": "uid=4294967296", "size=9223372036854775807": "size=9223372036854775808",
		"gid=0": "gid=", "nr_inodes=1": "nr_inodes=-1",
	} {
		mount := func(option string) string {
			return minimal(`"mounts":[{"destination":"/t","type":"tmpfs","options":["` + option + `"]}]`)
		}
		compile(t, mount(accepted), ourModule())
		if _, err := Compile(load(t, mount(over)), ourModule()); err == nil {
			t.Errorf("%s is accepted", over)
		}
	}
	for _, bad := range []string{"ptmxmode=", "ptmxmode=x"} {
		if _, err := Compile(load(t, minimal(`"mounts":[{"destination":"/p","type":"devpts","options":["`+bad+`"]}]`)), ourModule()); err == nil || strings.Contains(err.Error(), "always has") {
			t.Errorf("%s: %v; want that it is no mode", bad, err)
		}
	}
}

// As many as there can be, of what the kernel keeps in fixed tables.
func TestFullTables(t *testing.T) {
	var ports, addresses []string
	for i := range kmod.MaxPorts {
		ports = append(ports, fmt.Sprintf("%d", i+1))
	}
	for i := range kmod.MaxAddresses {
		addresses = append(addresses, fmt.Sprintf("wm0=192.0.2.%d/24", i+1))
	}
	c := compile(t, minimal(`"annotations":{"org.netbsd.cell.reserved-ports":"`+strings.Join(ports, ",")+`","org.netbsd.cell.addresses":"`+strings.Join(addresses, ",")+`"}`), ourModule()).Cell
	if len(c.Ports) != kmod.MaxPorts || len(c.Addresses) != kmod.MaxAddresses {
		t.Errorf("%d ports, %d addresses", len(c.Ports), len(c.Addresses))
	}
}

func TestInterfaceNames(t *testing.T) {
	for _, name := range []string{"wm0", "azAZ09_-.", "fifteen-letters"} {
		if _, err := ParseAddress(name, "192.0.2.1/24"); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"sixteen-letters-", "wm0{", "wm0`", "wm0[", "wm0@", "wm0/", "wm0:", "é", "wm0\x00"} {
		if _, err := ParseAddress(name, "192.0.2.1/24"); err == nil {
			t.Errorf("%q is the name of an interface", name)
		}
	}
	// Another address on each interface; 169.254/16 is one network.
	if _, err := ParseAddress("wm0", "fe80::1/64"); err == nil {
		t.Error("fe80::1 is an address of a cell")
	}
	if _, err := ParseAddress("wm0", "169.254.1.1/16"); err != nil {
		t.Error(err)
	}
}

// What an ordinary process can't have is told, each of it.
func TestSchedulerSaysWhatIsLeftOut(t *testing.T) {
	for _, more := range []string{`"priority":1`, `"flags":["SCHED_FLAG_RECLAIM"]`, `"runtime":1`, `"deadline":1`, `"period":1`} {
		p := compile(t, withProcess(`"scheduler":{"policy":"SCHED_OTHER","nice":3,`+more+`}`), ourModule())
		if n, _ := noteOn(p, "process.scheduler"); n.Grade != Refused || *p.Process.Nice != 3 {
			t.Errorf("%s: %+v, nice %d", more, n, *p.Process.Nice)
		}
	}
	for text, field := range map[string]string{`{"policy":"SCHED_FIFO"}`: "process.scheduler.policy", `{"nice":3}`: "process.scheduler"} {
		if n, ok := noteOn(compile(t, withProcess(`"scheduler":`+text), ourModule()), field); !ok || (n.Grade == Refused) != strings.Contains(text, "FIFO") {
			t.Errorf("%s: %+v", text, n)
		}
	}
}

func TestNotesOnLinux(t *testing.T) {
	for text, want := range map[string]Note{
		`"resources":{"pids":{}}`:                                        {Field: "linux.resources.pids", Grade: Exact},
		`"resources":{"pids":{"limit":-1}}`:                              {Field: "linux.resources.pids.limit", Grade: Exact},
		`"resources":{"pids":{"limit":5}}`:                               {Field: "linux.resources.pids.limit", Grade: Exact},
		`"personality":{"domain":"LINUX"}`:                               {Field: "linux.personality", Grade: Exact},
		`"personality":{"domain":"LINUX","flags":["ADDR_NO_RANDOMIZE"]}`: {Field: "linux.personality", Grade: Refused},
		`"personality":{"domain":"LINUX32"}`:                             {Field: "linux.personality", Grade: Refused},
		`"rootfsPropagation":"rprivate"`:                                 {Field: "linux.rootfsPropagation", Grade: Exact},
		`"rootfsPropagation":"rshared"`:                                  {Field: "linux.rootfsPropagation", Grade: Refused},
	} {
		if n, ok := noteOn(compile(t, minimal(`"linux":{`+text+`}`), ourModule()), want.Field); !ok || n.Grade != want.Grade {
			t.Errorf("%s: %+v; want %s", text, n, want.Grade)
		}
	}
}

// A configuration as large as it may be, and one byte more, from a file and from
// what has no size.
func TestLargestConfiguration(t *testing.T) {
	text := minimal("")
	largest := text + strings.Repeat(" ", MaxConfigSize-len(text))
	for content, fits := range map[string]bool{largest: true, largest + " ": false} {
		path := filepath.Join(t.TempDir(), "config.json")
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		_, fromFile := LoadFile(path)
		_, fromReader := Load(strings.NewReader(content))
		if (fromFile == nil) != fits || (fromReader == nil) != fits {
			t.Errorf("%d bytes: from a file %v, from a reader %v", len(content), fromFile, fromReader)
		}
	}
}

// What goes into the state is what the configuration says.
func TestPlanKeepsWhatTheStateShows(t *testing.T) {
	p := compile(t, strings.Replace(minimal(`"annotations":{"a":"b"}`), "1.3.0", "1.2.0", 1), ourModule())
	if p.OCIVersion != "1.2.0" || p.Annotations["a"] != "b" || len(p.Annotations) != 1 {
		t.Errorf("version %q, annotations %v", p.OCIVersion, p.Annotations)
	}
}

// The first letter of a setting can be misspelt like any other.
func TestMisspeltBeginning(t *testing.T) {
	for _, key := range []string{"or.netbsd.cell.network", "rg.netbsd.cell.network", "0rg.netbsd.cell.network", "org.netbsd.cell.netwrk"} {
		refused(t, minimal(`"annotations":{"`+key+`":"none"}`), "annotations")
	}
	for _, key := range []string{"org.example.cell.network", "cell.network", "network"} {
		compile(t, minimal(`"annotations":{"`+key+`":"none"}`), ourModule())
	}
}

func TestNearNames(t *testing.T) {
	for _, c := range []struct {
		name, known, want string
	}{
		{"abd", "abc", ""},
		{"abcx", "abcd", "abcd"},
		{"abxx", "abcd", ""},
		{"abcdefx", "abcdefg", "abcdefg"},
		{"abcdexx", "abcdefg", ""},
		{"abcdefxx", "abcdefgh", "abcdefgh"},
		{"abcdexxx", "abcdefgh", ""},
		{"abcdef", "abcdefgh", "abcdefgh"},
		{"ABCDE", "abcde", "abcde"},
		{"abcde", "ABCDE", "ABCDE"},
		{"abcdefgx", "abcdefgh abcdefgi", "abcdefgh"},
		{"abcdefgh", "abcdefgh abcdefgx", "abcdefgh"},
		{"abcdefgh", "abcdefgx abcdefgh", "abcdefgh"},
	} {
		if got := Nearest(c.name, strings.Fields(c.known)); got != c.want {
			t.Errorf("Nearest(%q, %q) = %q; want %q", c.name, c.known, got, c.want)
		}
	}
	for pair, want := range map[[2]string]int{
		{"", "ab"}: 2, {"ab", "bc"}: 2, {"ab", "ca"}: 2, {"abc", "abcdef"}: 3, {"abcdef", "abc"}: 3, {"ab", "abcd"}: 2, {"abcd", "ab"}: 2,
	} {
		if got := distance(pair[0], pair[1]); got != want {
			t.Errorf("distance(%q, %q) = %d; want %d", pair[0], pair[1], got, want)
		}
	}
}

// A list with a mistake in it is not also said to be carried out, and what stopped
// a plan is no warning.
func TestRefusedIsNotExact(t *testing.T) {
	p, err := Compile(load(t, minimal(`"linux":{"maskedPaths":["/a","b"],"rootfsPropagation":"shared"}`)), emulated())
	if err == nil {
		t.Fatal("a relative path is accepted")
	}
	if n, ok := noteOn(p, "linux.maskedPaths"); ok {
		t.Errorf("the list is noted, too: %+v", n)
	}
	if w := p.Warnings(); len(w) != 1 || w[0].Field != "linux.rootfsPropagation" {
		t.Errorf("warnings %v; want the one that did not stop it", w)
	}
}

func TestMountInALine(t *testing.T) {
	below := MountFlags{Readonly: true, NoDev: true}
	for want, m := range map[string]Mount{
		`bind "/s" on "/d" (ro,nosuid,nodev,noexec,noatime,relatime,strictatime)`: {
			Type: MountBind, Source: "/s", Destination: "/d",
			Flags: MountFlags{Readonly: true, NoSuid: true, NoDev: true, NoExec: true, NoAtime: true, RelAtime: true, StrictAtime: true},
		},
		`bind "/s" on "/d" (recursive,rro,rnodev)`: {Type: MountBind, Source: "/s", Destination: "/d", Recursive: true, Below: below},
		`bind "/s" on "/d" (recursive)`:            {Type: MountBind, Source: "/s", Destination: "/d", Recursive: true},
		`bind "/s" on "/d"`:                        {Type: MountBind, Source: "/s", Destination: "/d", Below: below},
		`proc on "/p"`:                             {Type: MountProc, Destination: "/p"},
	} {
		if got := m.String(); got != want {
			t.Errorf("%s; want %s", got, want)
		}
	}
}

func TestWordsOfNotes(t *testing.T) {
	if got := quote(strings.Repeat("x", 80)); strings.Contains(got, "…") {
		t.Errorf("80 characters are cut off: %s", got)
	}
	if got := quote(strings.Repeat("x", 81)); !strings.Contains(got, "…") {
		t.Errorf("81 characters are not cut off: %s", got)
	}
	for want, v := range map[string]any{"-5": -5, "5": uint(5), "true": true, `"a"`: "a", "1 entry": []int{1}, "2 entries": map[int]int{1: 1, 2: 2}, "": struct{}{}} {
		if got := summary(reflect.ValueOf(v)); got != want {
			t.Errorf("summary(%v) = %s; want %s", v, got, want)
		}
	}
	if because("") != "" || because("x") != " (x)" {
		t.Errorf("because: %q, %q", because(""), because("x"))
	}
}

// Permissions that a kernel keeps without enforcing them are no promise.
func TestRecordedPermissions(t *testing.T) {
	f := ourModule()
	f.Permissions = kmod.Support{Level: kmod.Recorded, Reason: "kept only"}
	p := compile(t, minimal(`"netbsd":{"cell":{"permissions":["time","-chown"]}}`), f)
	if n, _ := noteOn(p, "netbsd.cell.permissions"); n.Grade != Approximated || !strings.Contains(n.Reason, "kept only") {
		t.Errorf("note %+v; want that they are not enforced", n)
	}
}

// A kernel that can't keep a port for a cell at all is not one that keeps it on every
// address: the first is refused, the second is told, whichever of the list it is.
func TestPortsThatCannotBeKept(t *testing.T) {
	f := published()
	for _, ports := range []string{`"192.0.2.1:80/tcp","81"`, `"81","192.0.2.1:80"`} {
		text := minimal(`"netbsd":{"cell":{"reservedPorts":[` + ports + `]}}`)
		if n, _ := noteOn(compile(t, text, f), "netbsd.cell.reservedPorts"); n.Grade != Approximated || !strings.Contains(n.Reason, "on every address") {
			t.Errorf("%s: %+v; want that they are reserved on every address", ports, n)
		}
		none := f
		none.Ports = kmod.Support{Level: kmod.Absent, Reason: "it has no ports"}
		if p, err := Compile(load(t, text), none); err == nil || !strings.Contains(err.Error(), "it has no ports") {
			t.Errorf("%s: %v, %v; want a refusal", ports, p.Cell.Ports, err)
		}
	}
}

func TestRecordedNetwork(t *testing.T) {
	recorded := kmod.Support{Level: kmod.Recorded, Reason: "kept only"}
	f := emulated()
	f.Network, f.Addresses = recorded, recorded
	for text, field := range map[string]string{
		`"linux":{"namespaces":[{"type":"network"}]}`:                                    "linux.namespaces[0]",
		`"netbsd":{"cell":{"addresses":[{"interface":"wm0","address":"192.0.2.1/24"}]}}`: "netbsd.cell.addresses",
	} {
		if n, _ := noteOn(compile(t, minimal(text), f), field); n.Grade != Approximated || !strings.Contains(n.Reason, "not enforced: kept only") {
			t.Errorf("%s: %+v; want that it is not enforced", text, n)
		}
	}
}

func TestNoLimitOfProcesses(t *testing.T) {
	f := ourModule()
	f.MaxProcesses = kmod.Support{Level: kmod.Absent}
	if n, ok := noteOn(compile(t, minimal(`"netbsd":{"cell":{"maxProcesses":0}}`), f), "netbsd.cell.maxProcesses"); !ok || n.Grade != Exact {
		t.Errorf("no limit: %+v; want it exact", n)
	}
}

// A capability is named as the list has it, in any case of letters; and what a kernel
// with profiles only does exactly needs no words.
func TestWordsOfPermissions(t *testing.T) {
	p := compile(t, withProcess(`"capabilities":{"bounding":["CAP_KILL","cap_sys_time"]}`), ourModule())
	if !slices.ContainsFunc(p.Cell.Grants, func(g Grant) bool { return g.Field == "process.capabilities.bounding[1]: CAP_SYS_TIME" }) {
		t.Errorf("grants %+v; want one for the second capability", p.Cell.Grants)
	}
	for _, profile := range []string{"low", "medium", "high"} {
		for _, n := range compile(t, minimal(`"netbsd":{"cell":{"profile":"`+profile+`"}}`), published()).Notes {
			if strings.HasSuffix(n.Reason, "three profiles only: ") {
				t.Errorf("%s: %+v says nothing", profile, n)
			}
		}
	}
}

// Every limit of getrlimit(2), by where it is.
func TestEveryLimit(t *testing.T) {
	const both = "AS CORE CPU DATA FSIZE MEMLOCK NOFILE NPROC RSS STACK"
	for names, want := range map[string][2]string{ // on NetBSD, on the emulator
		both:          {"", ""},
		"NTHR SBSIZE": {"", "the emulator's host has no such limit"},
		"LOCKS MSGQUEUE NICE RTPRIO RTTIME SIGPENDING": {"NetBSD has no such limit", "NetBSD has no such limit"},
		"NOFILES": {"not a resource limit", "not a resource limit"},
	} {
		for _, name := range strings.Fields(names) {
			for i, f := range []kmod.Features{ourModule(), emulated()} {
				_, err := Compile(load(t, withProcess(`"rlimits":[{"type":"RLIMIT_`+name+`","soft":1,"hard":1}]`)), f)
				if (err == nil) != (want[i] == "") || err != nil && !strings.Contains(err.Error(), want[i]) {
					t.Errorf("RLIMIT_%s, %s: %v; want %q", name, f.Backend, err, want[i])
				}
			}
		}
	}
}

// Options with a value that change nothing here are left out with a warning, and not
// handed on nor refused.
func TestValuesThatAreLeftOut(t *testing.T) {
	for _, m := range []string{"bind size=1", "bind nr_inodes=1", "bind mode=755", "bind uid=1", "bind gid=1", "tmpfs mpol=local", "devpts max=9", "proc subset=pid"} {
		kind, option, _ := strings.Cut(m, " ")
		p := compile(t, minimal(`"mounts":[{"destination":"/x","type":"`+kind+`","source":"/s/","options":["`+option+`"]}]`), ourModule())
		if n, _ := noteOn(p, "mounts[0].options[0]"); len(p.Mounts) != 1 || n.Grade != Refused || n.Fatal {
			t.Errorf("%s: %v, %+v; want the mount and a warning", m, p.Mounts, n)
		}
	}
}
