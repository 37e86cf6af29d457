package oci

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
)

// TestRefusals names, for each bad value, the field and the way out.
func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"no process":      {`{"ociVersion":"1.0.0","root":{"path":"r"}}`, "process: missing; give at least args and cwd"},
		"no root":         {`{"ociVersion":"1.0.0","process":{"args":["sh"],"cwd":"/"}}`, "root.path: missing"},
		"no args":         {`{"ociVersion":"1.0.0","root":{"path":"r"},"process":{"args":[],"cwd":"/"}}`, "process.args: missing"},
		"empty program":   {`{"ociVersion":"1.0.0","root":{"path":"r"},"process":{"args":[""],"cwd":"/"}}`, `process.args[0] "": empty`},
		"no cwd":          {`{"ociVersion":"1.0.0","root":{"path":"r"},"process":{"args":["sh"]}}`, "process.cwd: missing"},
		"relative cwd":    {`{"ociVersion":"1.0.0","root":{"path":"r"},"process":{"args":["sh"],"cwd":"tmp"}}`, `process.cwd "tmp": must be an absolute path`},
		"bad variable":    {withProcess(`"env":["A=1","B"]`), `process.env[1] "B": not of the form NAME=value`},
		"nameless env":    {withProcess(`"env":["=1"]`), `process.env[0] "=1"`},
		"uid -1":          {withProcess(`"user":{"uid":4294967295,"gid":0}`), `process.user.uid 4294967295: is no id`},
		"umask":           {withProcess(`"user":{"umask":512}`), `process.user.umask 01000`},
		"too many groups": {withProcess(`"user":{"additionalGids":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]}`), "process.user.additionalGids 17 groups: this kernel allows 16"},
		"group -1":        {withProcess(`"user":{"additionalGids":[1,4294967295]}`), "process.user.additionalGids[1] 4294967295: is no id"},
		"console size":    {withProcess(`"consoleSize":{"height":65536,"width":80}`), "process.consoleSize 65536 lines of 80: a terminal has at most 65535"},
		"no such limit":   {withProcess(`"rlimits":[{"type":"NOFILE","soft":1,"hard":1}]`), `process.rlimits[0].type "NOFILE": not a resource limit`},
		"Linux's limit":   {withProcess(`"rlimits":[{"type":"RLIMIT_CPU","soft":1,"hard":1},{"type":"RLIMIT_LOCKS","soft":1,"hard":1}]`), `process.rlimits[1].type "RLIMIT_LOCKS": NetBSD has no such limit; remove it`},
		"limit twice":     {withProcess(`"rlimits":[{"type":"RLIMIT_CPU","soft":1,"hard":1},{"type":"RLIMIT_CPU","soft":2,"hard":2}]`), `process.rlimits[1].type "RLIMIT_CPU": given before, by process.rlimits[0]`},
		"soft above hard": {withProcess(`"rlimits":[{"type":"RLIMIT_CPU","soft":2,"hard":1}]`), `process.rlimits[0].soft 2: above the hard limit 1 of RLIMIT_CPU`},
		"scheduler":       {withProcess(`"scheduler":{"policy":"FAST"}`), `process.scheduler.policy "FAST": not a scheduling policy`},
		"nice":            {withProcess(`"scheduler":{"policy":"SCHED_OTHER","nice":20}`), `process.scheduler.nice 20: must be from -20 to 19`},
		"hook path":       {minimal(`"hooks":{"poststop":[{"path":"true"}]}`), `hooks.poststop[0].path "true": must be an absolute path`},
		"hook timeout":    {minimal(`"hooks":{"prestart":[{"path":"/a","timeout":0}]}`), `hooks.prestart[0].timeout 0: must be greater than zero seconds`},
		"hook env":        {minimal(`"hooks":{"poststart":[{"path":"/a","env":["x"]}]}`), `hooks.poststart[0].env[0] "x"`},
		"annotation":      {minimal(`"annotations":{"":"x"}`), `annotations "": an annotation's name can't be empty`},
		"namespace twice": {minimal(`"linux":{"namespaces":[{"type":"pid"},{"type":"pid"}]}`), `linux.namespaces[1].type "pid": given before, by linux.namespaces[0]`},
		"namespace kind":  {minimal(`"linux":{"namespaces":[{"type":"net"}]}`), `linux.namespaces[0].type "net": not a namespace`},
		"network path":    {minimal(`"linux":{"namespaces":[{"type":"network","path":"/run/netns/x"}]}`), `linux.namespaces[0].path "/run/netns/x": a cell can't join a network namespace: all cells share the host's network. Use the host's network (podman --network host, ctr run --net-host)`},
		"pid path":        {minimal(`"linux":{"namespaces":[{"type":"pid","path":"/proc/1/ns/pid"}]}`), `linux.namespaces[0].path pid "/proc/1/ns/pid": a cell can't join a namespace`},
		"mount path":      {minimal(`"linux":{"namespaces":[{"type":"mount","path":"/proc/1/ns/mnt"}]}`), `linux.namespaces[0].path mount`},
		"user namespace":  {minimal(`"linux":{"namespaces":[{"type":"user"}]}`), `linux.namespaces[0] user: cells do not map ids`},
		"uid mapping":     {minimal(`"linux":{"uidMappings":[{"containerID":0,"hostID":1,"size":1}]}`), `linux.uidMappings 1 entry: cells do not map ids`},
		"net device":      {minimal(`"linux":{"netDevices":{"eth0":{}}}`), `linux.netDevices 1 entry: all cells share the host's interfaces`},
		"propagation":     {minimal(`"linux":{"rootfsPropagation":"public"}`), `linux.rootfsPropagation "public": must be private`},
		"personality":     {minimal(`"linux":{"personality":{"domain":"BSD"}}`), `linux.personality.domain "BSD": must be LINUX or LINUX32`},
		"masked path":     {minimal(`"linux":{"maskedPaths":["/a","b"]}`), `linux.maskedPaths[1] "b": must be an absolute path`},
		"readonly path":   {minimal(`"linux":{"readonlyPaths":["/a/../../b"]}`), `linux.readonlyPaths[0] "/a/../../b": must not contain ".."`},
		"virtual machine": {minimal(`"vm":{"kernel":{"path":"/k"}}`), "vm: cells are not virtual machines"},
		"device type":     {minimal(`"linux":{"devices":[{"path":"/dev/x","type":"x"}]}`), `linux.devices[0].type "x": must be c, b, u or p`},
		"device path":     {minimal(`"linux":{"devices":[{"path":"dev/null","type":"c","major":1,"minor":3}]}`), `linux.devices[0].path "dev/null": must be an absolute path`},
		"device number":   {minimal(`"linux":{"devices":[{"path":"/dev/null","type":"c","major":-1,"minor":3}]}`), `linux.devices[0] "/dev/null" -1:3: a device has a major and a minor number`},
		"device twice":    {minimal(`"netbsd":{"devices":[{"path":"null"},{"path":"/dev/null"}]}`), `netbsd.devices[1].path "/dev/null": given before, by netbsd.devices[0]`},
		"netbsd device":   {minimal(`"netbsd":{"devices":[{"path":"../etc/passwd"}]}`), `netbsd.devices[0].path "/dev/../etc/passwd": must not contain ".."`},
	} {
		p, err := Compile(load(t, c.text), ourModule())
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Compile = %v; want an error with %q", name, err, c.want)
		}
		if p == nil {
			t.Errorf("%s: no plan to explain the refusal with", name)
		}
	}
}

func TestEveryProblemIsReported(t *testing.T) {
	_, err := Compile(load(t, `{"ociVersion":"1.0.0","process":{"env":["x"],"cwd":"a"},"linux":{"namespaces":[{"type":"user"}]},"vm":{}}`), ourModule())
	var e *ConfigError
	if !errors.As(err, &e) {
		t.Fatalf("Compile = %v; want a *ConfigError", err)
	}
	var fields []string
	for _, n := range e.Problems {
		fields = append(fields, n.Field)
	}
	want := []string{"process.env[0]", "process.cwd", "linux.namespaces[0]", "vm", "root.path", "process.args"}
	if !reflect.DeepEqual(fields, want) {
		t.Errorf("problems with %q; want %q", fields, want)
	}
	if n := strings.Count(err.Error(), "\n") + 1; n != len(want) {
		t.Errorf("the error has %d lines; want one a problem:\n%v", n, err)
	}
}

func TestStrictAndWarnings(t *testing.T) {
	p := compile(t, minimal(`"domainname":"x","new":1`), ourModule())
	var fields []string
	for _, n := range p.Warnings() {
		fields = append(fields, n.Field)
	}
	if want := []string{"domainname", "new"}; !reflect.DeepEqual(fields, want) {
		t.Errorf("warnings on %q; want %q", fields, want)
	}
	err := p.Strict()
	if err == nil || !strings.Contains(err.Error(), "domainname") || !strings.Contains(err.Error(), "new: not a field") {
		t.Errorf("Strict = %v; want both warnings", err)
	}
	if err := compile(t, minimal(""), ourModule()).Strict(); err != nil {
		t.Errorf("Strict of an exact plan = %v", err)
	}
}

func TestProcess(t *testing.T) {
	p := compile(t, withProcess(`"terminal":true,"consoleSize":{"height":25,"width":80},"env":["A=","B=c=d"],`+
		`"user":{"uid":1,"gid":2,"umask":0,"additionalGids":[3]},"noNewPrivileges":true,`+
		`"rlimits":[{"type":"RLIMIT_CORE","soft":0,"hard":18446744073709551615}],"scheduler":{"policy":"SCHED_OTHER","nice":-5}`), ourModule())
	umask, nice := uint32(0), -5
	want := &Process{
		Terminal: true, ConsoleSize: &Size{25, 80}, Args: []string{"sh"}, Env: []string{"A=", "B=c=d"}, Cwd: "/", UID: 1, GID: 2,
		AdditionalGIDs: []uint32{3}, Umask: &umask, Nice: &nice, NoNewPrivs: true,
		Rlimits: []Rlimit{{"RLIMIT_CORE", 0, kmod.Unlimited}},
	}
	if !reflect.DeepEqual(p.Process, want) {
		t.Errorf("process = %+v; want %+v", p.Process, want)
	}
}

func TestNoNewPrivilegesMakesMountsNosuid(t *testing.T) {
	text := `{"ociVersion":"1.0.0","root":{"path":"r"},"process":{"args":["sh"],"cwd":"/","noNewPrivileges":true},` +
		`"mounts":[{"destination":"/tmp","type":"tmpfs","options":["suid"]}]}`
	if p := compile(t, text, ourModule()); !p.Root.NoSuid || !p.Mounts[0].Flags.NoSuid {
		t.Errorf("NetBSD: root %+v, mount %+v; want both nosuid", p.Root, p.Mounts[0])
	}
	// The emulator's kernel has the flag itself.
	if p := compile(t, text, emulated()); p.Root.NoSuid || p.Mounts[0].Flags.NoSuid {
		t.Errorf("emulator: root %+v, mount %+v; want them as written", p.Root, p.Mounts[0])
	}
}

func TestHostname(t *testing.T) {
	for env, want := range map[string][]string{
		`"A=b"`:          {"A=b", "HOSTNAME=box"},
		`"HOSTNAME=own"`: {"HOSTNAME=own"},
	} {
		p := compile(t, `{"ociVersion":"1.0.0","hostname":"box","root":{"path":"r"},"process":{"args":["sh"],"cwd":"/","env":[`+env+`]}}`, ourModule())
		if !reflect.DeepEqual(p.Process.Env, want) {
			t.Errorf("env [%s] became %q; want %q", env, p.Process.Env, want)
		}
	}
}

func TestDevices(t *testing.T) {
	p := compile(t, minimal(`"linux":{"devices":[{"path":"/dev/null","type":"u","major":1,"minor":3,"fileMode":8624},{"path":"/run/f","type":"p"}]}`), emulated())
	var paths []string
	for _, d := range p.Devices {
		paths = append(paths, d.Path)
	}
	want := []string{"/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx", "/dev/null", "/run/f"}
	if !reflect.DeepEqual(paths, want) {
		t.Fatalf("devices %q; want %q", paths, want)
	}
	if d := p.Devices[6]; d.Type != "c" || d.Default || *d.Mode != 0o660 {
		t.Errorf("/dev/null = %+v, mode %o; want the configuration's, mode 0660", d, *d.Mode)
	}
	p = compile(t, minimal(`"netbsd":{"cell":{"permissions":["raw-device"]},"devices":[{"path":"wd0a","type":"b"}]}`), ourModule())
	if d := p.Devices[len(p.Devices)-1]; d.Path != "/dev/wd0a" || d.Type != "b" || d.Major != -1 {
		t.Errorf("netbsd device = %+v", d)
	}
}

// A configuration's nodes that not every cell can open are listed to the kernel,
// and none else; where it takes no list, they are refused.
func TestListedDevices(t *testing.T) {
	many := make([]string, kmod.MaxDevices+1)
	for i := range many {
		many[i] = fmt.Sprintf(`{"path":"/dev/mem%d","type":"c","major":1,"minor":1}`, i)
	}
	disk, open := `{"path":"/dev/sd0d","type":"b","major":8,"minor":0}`, `"netbsd":{"cell":{"permissions":["raw-device"]}},`
	version2 := kmod.Version2()
	for name, tt := range map[string]struct {
		f       kmod.Features
		devices string
		more    string
		want    string // the listed nodes, or the error
	}{
		"one":           {ourModule(), `{"path":"/dev/null","type":"c","major":1,"minor":3},` + disk, "", "/dev/sd0d"},
		"ordinary":      {ourModule(), `{"path":"/dev/null","type":"c","major":1,"minor":3}`, "", ""},
		"by number":     {emulated(), `{"path":"/dev/null","type":"c","major":1,"minor":1}`, "", "/dev/null"},
		"by type":       {ourModule(), `{"path":"/dev/null","type":"b","major":1,"minor":3}`, "", "/dev/null"},
		"raw-device":    {ourModule(), disk, open, ""},
		"pipe":          {ourModule(), `{"path":"/dev/x","type":"p"}`, "", ""},
		"too many":      {ourModule(), strings.Join(many, ","), "", `linux.devices[0] "/dev/mem0" and 32 others: a cell can be opened 32 devices, each by its number: remove it, or add "raw-device"`},
		"too many, raw": {ourModule(), strings.Join(many, ","), open, ""},
		"version 2":     {version2, disk, "", `linux.devices[0] "/dev/sd0d": the cell could not open it (` + version2.DeviceList.Reason + `): remove it`},
		"published":     {published(), disk, "", `linux.devices[0] "/dev/sd0d": the cell could not open it (this secmodel_cell opens all`},
	} {
		p, err := Compile(load(t, minimal(tt.more+`"linux":{"devices":[`+tt.devices+`]}`)), tt.f)
		if err != nil {
			if tt.want == "" || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: Compile = %v; want %q", name, err, tt.want)
			}
			continue
		}
		var listed []string
		for _, d := range p.Devices {
			if d.Listed {
				listed = append(listed, d.Path)
			}
		}
		if got := strings.Join(listed, " "); got != tt.want {
			t.Errorf("%s: listed %q; want %q", name, got, tt.want)
		}
	}
}

func TestPids(t *testing.T) {
	for limit, want := range map[string]uint64{"-1": 0, "0": 1, "5": 5} {
		p := compile(t, minimal(`"linux":{"resources":{"pids":{"limit":`+limit+`}}}`), ourModule())
		if p.Cell.MaxProcesses != want {
			t.Errorf("pids.limit %s: at most %d processes; want %d", limit, p.Cell.MaxProcesses, want)
		}
	}
	p := compile(t, minimal(`"linux":{"resources":{"pids":{"limit":50}}},"netbsd":{"cell":{"maxProcesses":60}}`), ourModule())
	if p.Cell.MaxProcesses != 50 {
		t.Errorf("limits 50 and 60 gave %d; want the lower", p.Cell.MaxProcesses)
	}
	p = compile(t, minimal(`"linux":{"resources":{"pids":{"limit":50}}}`), published())
	if n, ok := noteOn(p, "linux.resources.pids.limit"); p.Cell.MaxProcesses != 0 || !ok || n.Grade != Refused {
		t.Errorf("without the feature: limit %d, note %+v", p.Cell.MaxProcesses, n)
	}
}

func TestPermissions(t *testing.T) {
	for name, c := range map[string]struct {
		text       string
		open, shut []policy.Permission
		field      string // what decided about the first of them
	}{
		"profile alone":       {``, []policy.Permission{policy.Chown, policy.Inet}, []policy.Permission{policy.Time, policy.Mount}, ""},
		"capability opens":    {`"bounding":["CAP_SYS_TIME"]`, []policy.Permission{policy.Time}, []policy.Permission{policy.Chown}, "process.capabilities.bounding[0]: CAP_SYS_TIME"},
		"no capability":       {`"bounding":[]`, nil, []policy.Permission{policy.Kill, policy.Time}, "process.capabilities.bounding: without CAP_KILL"},
		"only bounding":       {`"effective":["CAP_SYS_TIME"]`, nil, []policy.Permission{policy.Time}, ""},
		"far-reaching closed": {`"bounding":["CAP_SYS_ADMIN"]`, []policy.Permission{policy.FSAdmin}, []policy.Permission{policy.Mount}, ""},
	} {
		text := minimal("")
		if c.text != "" {
			text = withProcess(`"capabilities":{` + c.text + `}`)
		}
		p := compile(t, text, ourModule())
		checkPermissions(t, name, p, c.open, c.shut)
		first := append(c.open, c.shut...)[0]
		if by := grantOf(p, first); by != c.field {
			t.Errorf("%s: %s decided by %q; want %q", name, first, by, c.field)
		}
	}
}

func checkPermissions(t *testing.T, name string, p *Plan, open, shut []policy.Permission) {
	t.Helper()
	for _, perm := range open {
		if !p.Cell.Permissions.Has(perm) {
			t.Errorf("%s: %s is closed; want it open", name, perm)
		}
	}
	for _, perm := range shut {
		if p.Cell.Permissions.Has(perm) {
			t.Errorf("%s: %s is open; want it closed", name, perm)
		}
	}
}

func grantOf(p *Plan, perm policy.Permission) string {
	for _, g := range p.Cell.Grants {
		if g.Permission == perm {
			return g.Field
		}
	}
	return ""
}

// TestPublishedModuleDegrades: profiles only, never more than was asked for.
func TestPublishedModuleDegrades(t *testing.T) {
	for cell, want := range map[string]policy.Profile{
		`"profile":"high"`:                               policy.High,
		`"profile":"high","permissions":["time"]`:        policy.High,
		`"profile":"medium"`:                             policy.Medium,
		`"profile":"medium","permissions":["-sysv-ipc"]`: policy.High,
		`"profile":"low"`:                                policy.Low,
		`"profile":"low","permissions":["-mount"]`:       policy.Medium,
	} {
		p := compile(t, minimal(`"netbsd":{"cell":{`+cell+`}}`), published())
		if p.Cell.Profile != want || p.Cell.Permissions != policy.Published(want) {
			t.Errorf("{%s}: profile %s with %s; want %s and what it opens", cell, p.Cell.Profile, p.Cell.Permissions, want)
		}
	}
	p := compile(t, minimal(`"netbsd":{"cell":{"permissions":["time"]}}`), published())
	n, _ := noteOn(p, "netbsd.cell.permissions")
	if n.Grade != Approximated || !strings.Contains(n.Reason, "stay closed though asked for: time") {
		t.Errorf("note = %+v; want it to say that time is lost", n)
	}
}

func TestExecProcess(t *testing.T) {
	sp, err := LoadProcess(strings.NewReader(`{"args":["id"],"cwd":"x","env":["1"]}`))
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = CompileProcess(sp, ourModule())
	if err == nil || !strings.Contains(err.Error(), `process.cwd "x"`) || !strings.Contains(err.Error(), `process.env[0] "1"`) {
		t.Errorf("CompileProcess = %v; want both problems", err)
	}
}

// A container of a pod, as containerd's CRI plugin asks for it, with the
// host's network: it runs, and what it does not share is noted.
func TestPod(t *testing.T) {
	p, err := Compile(load(t, minimal(`"annotations":{"org.netbsd.cell.network":"host"},"linux":{"namespaces":[
		{"type":"pid"},{"type":"ipc","path":"/proc/7/ns/ipc"},{"type":"uts","path":"/proc/7/ns/uts"},
		{"type":"mount"},{"type":"network","path":"/proc/7/ns/net"}]}`)), ourModule())
	if err != nil {
		t.Fatal(err)
	}
	if p.Cell.Network != kmod.NetworkHost {
		t.Errorf("network is %s; want the host's", p.Cell.Network)
	}
	for field, reason := range map[string]string{
		"linux.namespaces[1]":      "nothing is shared with its processes",
		"linux.namespaces[2]":      "the host's name",
		"linux.namespaces[4].path": "not joined",
	} {
		i := slices.IndexFunc(p.Notes, func(n Note) bool { return n.Field == field })
		if i < 0 || p.Notes[i].Grade == Exact || !strings.Contains(p.Notes[i].Reason, reason) {
			t.Errorf("no note for %s with %q", field, reason)
		}
	}
}
