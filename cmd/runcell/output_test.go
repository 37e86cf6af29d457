package main

// What the commands print.

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/runtime-spec/specs-go/features"
)

// The help of a command that has commands is the same, however it is asked for.
func TestHelpOfCommands(t *testing.T) {
	for _, name := range []string{"service", "completion"} {
		want, _, _ := (&fake{}).runcell(t, "help", name)
		for _, args := range [][]string{{name}, {name, "--help"}, {name, "help"}} {
			if got, errs, status := (&fake{}).runcell(t, args...); got != want || status != 0 || name == "service" && !strings.Contains(got, "--etc DIR") {
				t.Errorf("%q prints\n%s%s\nwant\n%s", args, got, errs, want)
			}
		}
	}
}

func someStates() []*runtime.State {
	at := time.Date(2026, 3, 1, 12, 30, 0, 5e8, time.UTC)
	return []*runtime.State{
		{
			OCIVersion: "1.3.0", ID: "web", Status: runtime.Running, Pid: 551, Bundle: "/b/web",
			Rootfs: "/b/web/rootfs", Created: at, Owner: "root", Annotations: map[string]string{"a": "<1>"},
		},
		{OCIVersion: "1.3.0", ID: "db", Status: runtime.Stopped, Bundle: "/b/db", Rootfs: "/b/db/rootfs", Created: at, Owner: "root"},
	}
}

func someFeatures() kmod.Features {
	on := kmod.Support{Level: kmod.Enforced}
	return kmod.Features{
		Backend: "emulator", ABI: 1, Profiles: on, Permissions: on, Devices: on, DeviceList: on,
		Ports: kmod.Support{Level: kmod.Recorded, Reason: "no cgroup2"}, PortAddress: on, Addresses: on, Network: on,
		MaxProcesses: on, Processes: on, Kill: on, Stats: kmod.Support{Level: kmod.Absent, Reason: "no counters"},
		ExitStatus: on, MaxGroups: 16,
	}
}

func someMembers() []kmod.Member {
	return []kmod.Member{
		{Pid: 551, Parent: 1, Memory: 1 << 20, CPU: kmod.CPU{Total: 61*time.Second + 234*time.Millisecond}, Command: "web"},
		{Pid: 649, Parent: 551, UID: 1000, Memory: 4096, Command: "a\x1b b"},
	}
}

func someStats() kmod.Stats {
	return kmod.Stats{
		Processes: 2, MaxProcesses: 50, Memory: 5 << 20, CPU: kmod.CPU{Total: 1500 * time.Millisecond, User: time.Second, System: 500 * time.Millisecond},
		Denials: map[string]uint64{"system": 3}, LastDenied: "system.mknod", Last: kmod.Denial{At: 90 * time.Second, Pid: 649, UID: 1000},
	}
}

// someCells are those of web, which runs, of db, which has ended, and one of
// another state directory.
func (f *fake) someCells(t *testing.T) *fake {
	bundle := t.TempDir()
	err := os.WriteFile(filepath.Join(bundle, "image.json"), []byte(`{"image":"localhost/web:1","manifest":"sha256:abc","store":"/store","rootfs":"copy"}`), 0o644)
	if err != nil {
		t.Fatal(err)
	}
	f.states = someStates()
	f.states[0].Bundle = bundle
	f.now = f.states[0].Created.Add(26 * time.Hour)
	f.ended = map[string]int{"db": 137}
	f.plan = compile(t, oci.Example(), someFeatures())
	f.pids, f.features, f.members, f.stats = []int{551, 649}, someFeatures(), someMembers(), []kmod.Stats{someStats()}
	f.features.Stats = f.features.Kill
	f.cells = []runtime.Cell{
		{Container: "web", Info: kmod.Info{ID: 7, Name: "web.0123", Root: "/b/web/rootfs", Processes: 2}},
		{Container: "db", Info: kmod.Info{ID: 6, Name: "db.4567", Root: "/b/db/rootfs"}},
		{Info: kmod.Info{ID: 2, Name: "old.89ab", Root: "/x"}},
	}
	before, now := someStats(), someStats()
	now.CPU.Total += 500 * time.Millisecond
	before.Last.Time = f.states[0].Created.Add(time.Hour)
	now.Last.Time = before.Last.Time
	other := kmod.Stats{Processes: 1, Memory: 3 << 10, Denials: map[string]uint64{}}
	db := kmod.Stats{Denials: map[string]uint64{"network": 1}, LastDenied: "network.bind.port.reserved", Last: kmod.Denial{At: 1, Pid: 5}}
	f.cellStats = map[kmod.ID][]kmod.Stats{7: {before, now}, 6: {db}, 2: {other}}
	addr := netip.MustParseAddr
	f.claims = map[kmod.ID]kmod.Claims{
		0: {Ports: []kmod.Port{{Port: 22, Proto: "tcp"}}, Addresses: []netip.Addr{addr("192.0.2.1")}},
		7: {Network: kmod.NetworkHost, Ports: []kmod.Port{{Port: 8080}, {Port: 53, Addr: addr("192.0.2.10"), Proto: "udp"}}},
		6: {Network: kmod.NetworkNone},
	}
	f.sockets = map[kmod.ID][]kmod.Socket{7: {
		{Proto: "tcp", Local: netip.MustParseAddrPort("0.0.0.0:8080"), Pid: 551},
		{Proto: "tcp", Local: netip.MustParseAddrPort("[::]:8080"), Pid: 551},
		{Proto: "tcp", Local: netip.MustParseAddrPort("[2001:db8::1]:9090"), Pid: 649},
	}}
	return f
}

// answers are commands and the files that have what they print.
var answers = map[string]string{
	"list-cells.txt":  "list",
	"list-cells.json": "list --format json",
	"ps-all.txt":      "ps --all",
	"ps-all.json":     "ps --all --format json",
	"ps-pid.txt":      "ps --pid 649",
	"ps-pid.json":     "ps --pid 649 -f json",
	"top.txt":         "top --interval 1ns",
	"top.json":        "top --interval 1ns --format json",
	"ports.txt":       "ports",
	"ports.json":      "ports --format json",
	"ports-one.txt":   "ports 9090",
	"denials.txt":     "denials --all",
	"denials.json":    "denials --all --format json",
	"denials-one.txt": "denials db",
	"inspect.json":    "inspect web",
	"inspect.txt":     "inspect --format table web",
	"version.json":    "version --format json",
}

// TestAnswers: the questions of an operator, each one line.
func TestAnswers(t *testing.T) {
	defer func(zone *time.Location) { time.Local = zone }(time.Local)
	time.Local = time.UTC
	for file, line := range answers {
		t.Run(line, func(t *testing.T) {
			f := (&fake{}).someCells(t)
			stdout, stderr, code := f.runcell(t, strings.Fields(line)...)
			if stderr != "" || code != 0 {
				t.Errorf("stderr %q, code %d", stderr, code)
			}
			for l := range strings.Lines(stdout) {
				if width := utf8.RuneCountInString(strings.TrimSpace(l)); width > 80 && strings.HasSuffix(file, ".txt") && file != "inspect.txt" {
					t.Errorf("a line of %d characters: %s", width, l)
				}
			}
			got := strings.NewReplacer(f.states[0].Bundle, "/b/web", goruntime.Version(), "GOVERSION").Replace(stdout)
			golden(t, file, got)
		})
	}
}

func TestNobodyKnows(t *testing.T) {
	for _, tt := range []struct {
		line string
		want string
		f    func(*fake)
	}{
		{"ps --pid 4711", "process 4711 is in no cell", nil},
		{"ps --pid 0", "no process number", nil},
		{"ps --all web", "only one of them", nil},
		{"ps --all --pid 7", "only one of them", nil},
		{"ps", "needs a container ID", nil},
		{"ports 4711", "no cell has port 4711", nil},
		{"ports 0", "no number from 1 to 65535", nil},
		{"denials", "needs a container ID or --all", nil},
		{"denials web --all", "takes no arguments", nil},
		{"denials web", "not counted here: no counters", func(f *fake) { f.features = someFeatures() }},
		{"denials web", "has no cell: it went with a reboot", func(f *fake) { f.cells = nil }},
		{"top --sort size", "no order", nil},
		{"explain no-such", `there is no container "no-such"`, func(f *fake) { f.planErr = runtime.ErrNotExist }},
		{"wait --timeout -1s web", "want a number of seconds from 0", nil},
		{"wait --timeout 0 web", "no time to wait", nil},
	} {
		f := (&fake{}).someCells(t)
		if tt.f != nil {
			tt.f(f)
		}
		stdout, stderr, code := f.runcell(t, strings.Fields(tt.line)...)
		if stdout != "" || code != 1 || !strings.Contains(stderr, tt.want) {
			t.Errorf("%s: code %d, stdout %q, stderr %q; want an error that says %q", tt.line, code, stdout, stderr, tt.want)
		}
	}
}

// No word that is explained is a command of ours by now.
func TestWordsOfDocker(t *testing.T) {
	for _, word := range strings.Fields("rm rmi images pull push build commit save load import diff logs stats port info unpause attach restart cp prune system") {
		_, stderr, code := (&fake{}).runcell(t, word, "web")
		if code != 1 || !strings.Contains(stderr, "has no command \""+word+"\": ") {
			t.Errorf("%s: code %d, %q; want to read what is typed instead", word, code, stderr)
		}
	}
}

// TestWaitTimeout: what has not ended in time is told from what has.
func TestWaitTimeout(t *testing.T) {
	f := &fake{hook: func(ctx context.Context) { <-ctx.Done() }, err: errors.New("wait: deadline")}
	if _, stderr, code := f.runcell(t, "wait", "--timeout", "10ms", "web"); code != exitTimeout || !strings.Contains(stderr, "not ended within 10ms") {
		t.Errorf("code %d, stderr %q; want %d", code, stderr, exitTimeout)
	}
	f = &fake{status: 3}
	if stdout, _, code := f.runcell(t, "wait", "--timeout", "1h", "web"); code != 3 || stdout != "3\n" {
		t.Errorf("code %d, %q; want the program's 3", code, stdout)
	}
}

func TestEndsAtOnce(t *testing.T) {
	f := &fake{status: 7, atOnce: true}
	if _, stderr, code := f.runcell(t, "run", "-d", "web"); code != 0 || !strings.Contains(stderr, "ended at once, with exit status 7") {
		t.Errorf("code %d, stderr %q; want to read that it has ended", code, stderr)
	}
	f = &fake{}
	if _, stderr, code := f.runcell(t, "run", "-d", "web"); code != 0 || stderr != "" {
		t.Errorf("code %d, stderr %q; want nothing of one that runs", code, stderr)
	}
}

// A plan that runs is explained by its container's name.
func TestExplainContainer(t *testing.T) {
	for _, line := range []string{"explain --json web", "explain --format json web"} {
		f := (&fake{}).someCells(t)
		stdout, stderr, code := f.runcell(t, strings.Fields(line)...)
		if code != 0 || !json.Valid([]byte(stdout)) {
			t.Errorf("%s: code %d, %q, %q", line, code, stdout, stderr)
		}
	}
}

func TestTopDraws(t *testing.T) {
	f := (&fake{}).someCells(t)
	var out bytes.Buffer
	a := newApp()
	a.Stdout, a.now = &out, func() time.Time { return f.now }
	l, err := a.lookAtCells(f)
	if err != nil {
		t.Fatal(err)
	}
	for id := kmod.ID(100); id < 150; id++ {
		l.rows[id] = &topRow{label: strings.Repeat("x", 100)}
	}
	if err := a.drawTop(l.since(look{}, topOrders["id"]), errors.New(strings.Repeat("unreadable ", 20))); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.NewReplacer("\x1b[H", "", "\x1b[K", "", "\x1b[J", "").Replace(out.String()), "\n")
	if len(lines) > 24 || !strings.Contains(lines[0], "53 cells  unreadable") {
		t.Errorf("%d lines, the first is %q; want no more than a terminal has", len(lines), lines[0])
	}
	for _, line := range lines {
		if utf8.RuneCountInString(line) > 80 {
			t.Errorf("a line wider than the terminal: %q", line)
		}
	}
}

func TestTopOrders(t *testing.T) {
	for order, want := range map[string]string{
		"cpu": "web,db,cell old.89ab", "memory": "web,cell old.89ab,db", "denials": "web,db,cell old.89ab", "id": "db,web,cell old.89ab",
		"processes": "web,cell old.89ab,db", "time": "web,db,cell old.89ab",
	} {
		f := (&fake{}).someCells(t)
		stdout, _, code := f.runcell(t, "top", "--interval", "1ns", "--sort", order)
		var got []string
		for _, line := range strings.Split(strings.TrimSpace(stdout), "\n")[1:] {
			name, _, _ := strings.Cut(line, "   ")
			got = append(got, name)
		}
		if code != 0 || strings.Join(got, ",") != want {
			t.Errorf("--sort %s: %q; want %s", order, got, want)
		}
	}
}

func TestOutput(t *testing.T) {
	oldVersion, oldCommit := version, commit
	version, commit = "1.2.3", "0123456789ab"
	defer func() { version, commit = oldVersion, oldCommit }()
	for file, line := range map[string]string{
		"state.json":      "state web",
		"list.json":       "list --format json",
		"list.txt":        "list",
		"list-q.txt":      "list -q",
		"ps.json":         "ps -f json web",
		"ps.txt":          "ps web",
		"stats.json":      "events --stats web",
		"metrics.txt":     "metrics",
		"help-update.txt": "update --help",
		"features.json":   "features",
		"features.txt":    "features --format table",
		"help.txt":        "help",
		"help-exec.txt":   "exec --help",
	} {
		t.Run(line, func(t *testing.T) {
			f := &fake{states: someStates(), pids: []int{551, 649}, features: someFeatures(), members: someMembers(), stats: []kmod.Stats{someStats()}, now: someStates()[0].Created.Add(time.Minute)}
			stdout, stderr, code := f.runcell(t, strings.Fields(line)...)
			if stderr != "" || code != 0 {
				t.Errorf("stderr %q, code %d", stderr, code)
			}
			golden(t, file, strings.ReplaceAll(stdout, cmdline.StateRoot, "STATEROOT"))
		})
	}
}

func TestVersion(t *testing.T) {
	for _, line := range []string{"--version", "-v", "version"} {
		stdout, _, code := (&fake{}).runcell(t, line)
		lines := strings.Split(stdout, "\n")
		if code != 0 || len(lines) < 3 || lines[0] != "runcell version "+version ||
			lines[1] != "commit: "+commit || lines[2] != "spec: 1.3.0" {
			t.Errorf("runcell %s prints %q", line, stdout)
		}
	}
}

func TestEmptyLists(t *testing.T) {
	for line, want := range map[string]string{
		"list --format json":  "[]\n",
		"list --quiet":        "",
		"list":                "ID   STATUS   PID   AGE   IMAGE   PORTS\n",
		"ps --format json c1": "[]\n",
		"ps c1":               "PID   PPID   UID   TIME   RSS   COMMAND\n",
		"create c1":           "",
		"start c1":            "",
		"delete c1":           "",
		"kill c1":             "",
		"wait c1":             "0\n",
	} {
		if stdout, _, _ := (&fake{}).runcell(t, strings.Fields(line)...); stdout != want {
			t.Errorf("runcell %s prints %q; want %q", line, stdout, want)
		}
	}
}

// Callers read features as one JSON document and nothing else.
func TestFeaturesDocument(t *testing.T) {
	stdout, _, _ := (&fake{features: someFeatures()}).runcell(t, "features")
	var f features.Features
	if err := json.Unmarshal([]byte(stdout), &f); err != nil {
		t.Fatal(err)
	}
	if f.OCIVersionMin != "1.0.0" || f.OCIVersionMax != "1.3.0" || len(f.Hooks) != 6 {
		t.Errorf("features = %+v", f)
	}
	if f.Linux == nil || f.Linux.MountExtensions == nil || *f.Linux.MountExtensions.IDMap.Enabled {
		t.Errorf("linux = %+v; containerd looks for mountExtensions.idmap", f.Linux)
	}
	if got := f.Annotations["org.netbsd.runcell.kernel.ports"]; got != "recorded: no cgroup2" {
		t.Errorf("ports = %q", got)
	}
}

// Every mount option that features announces is carried out exactly.
func TestMountOptionsCompile(t *testing.T) {
	for _, option := range oci.DescribeFeatures(someFeatures(), "", "").MountOptions {
		spec := oci.Example()
		spec.Mounts = []specs.Mount{{Destination: "/x", Type: "tmpfs", Source: "tmpfs", Options: []string{option}}}
		if option == "bind" || option == "rbind" {
			spec.Mounts[0].Type, spec.Mounts[0].Source = "none", "/"
		}
		plan := compile(t, spec, someFeatures())
		for _, n := range plan.Warnings() {
			if strings.HasPrefix(n.Field, "mounts[0].options") {
				t.Errorf("option %q: %s: %s", option, n.Field, n.Reason)
			}
		}
	}
}

func compile(t *testing.T, spec *specs.Spec, f kmod.Features) *oci.Plan {
	t.Helper()
	b, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	config, err := oci.Load(strings.NewReader(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := oci.Compile(config, f)
	if err != nil {
		t.Fatalf("compile %s: %v", b, err)
	}
	return plan
}

func TestSpecWritesAConfigThatCompiles(t *testing.T) {
	dir := t.TempDir() + "/new/bundle"
	f := &fake{features: someFeatures()}
	if _, stderr, code := f.runcell(t, "spec", "--bundle", dir); code != 0 {
		t.Fatal(stderr)
	}
	if fi, err := os.Stat(filepath.Join(dir, oci.Example().Root.Path)); err != nil || !fi.IsDir() {
		t.Errorf("the directory that the example names: %v", err)
	}
	before, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := f.runcell(t, "spec", "-b", dir); code != 1 || !strings.Contains(stderr, "remove it first") {
		t.Errorf("a second spec: code %d, %q; want a refusal", code, stderr)
	}
	if after, _ := os.ReadFile(filepath.Join(dir, "config.json")); string(after) != string(before) {
		t.Error("a second spec changed config.json")
	}
	stdout, stderr, code := f.runcell(t, "explain", dir)
	if code != 0 || stdout == "" {
		t.Errorf("explain: code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	if strings.Contains(stdout, "\x1b") {
		t.Error("explain prints colours into a file")
	}
	stdout, _, code = f.runcell(t, "explain", "--json", dir)
	if code != 0 || !json.Valid([]byte(stdout)) {
		t.Errorf("explain --json: code %d, %q", code, stdout)
	}
}

// What create would refuse, explain refuses with the same words.
func TestExplainShowsRefusals(t *testing.T) {
	spec := oci.Example()
	spec.Mounts[0].Options = []string{"idmap"}
	b, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.json"), b, 0o644); err != nil {
		t.Fatal(err)
	}
	_, stderr, code := (&fake{features: someFeatures()}).runcell(t, "explain", dir)
	if code != 1 || !strings.Contains(stderr, "mounts[0].options[0]") {
		t.Errorf("code %d, stderr %q; want a refusal that names the field", code, stderr)
	}
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		stdout, _, code := (&fake{}).runcell(t, "completion", shell)
		if code != 0 || !strings.Contains(stdout, "completion words") || strings.Contains(stdout, "@RUNCELL@") || strings.Contains(stdout, "eval") {
			t.Errorf("completion %s: code %d, %.60q", shell, code, stdout)
		}
	}
}

// Every annotation that features announces is read.
func TestAnnotationsCompile(t *testing.T) {
	samples := map[string]string{
		"profile": "low", "permissions": "time", "reserved-ports": "8080", "addresses": "lo0=192.0.2.1/24",
		"network": "host", "max-processes": "7",
	}
	allEnforced := someFeatures()
	allEnforced.Ports, allEnforced.Backend = allEnforced.Profiles, "secmodel_cell"
	for name := range oci.DescribeFeatures(allEnforced, "", "").Annotations {
		key, is := strings.CutPrefix(name, oci.AnnotationPrefix)
		if !is {
			continue
		}
		if samples[key] == "" {
			t.Errorf("annotation %s is announced; the test does not know it", key)
		}
		spec := oci.Example()
		spec.Linux, spec.Annotations = nil, map[string]string{oci.AnnotationPrefix + key: samples[key]}
		for _, n := range compile(t, spec, allEnforced).Warnings() {
			if strings.Contains(n.Field, key) {
				t.Errorf("annotation %s: %s", key, n.Reason)
			}
		}
	}
}

// A record that can't be read does not hide the others.
func TestListGoesOn(t *testing.T) {
	f := &fake{states: []*runtime.State{{ID: "web", Status: runtime.Running}}, err: errors.New("bad record")}
	for _, args := range [][]string{{"list"}, {"list", "--quiet"}, {"list", "--format", "json"}} {
		stdout, stderr, code := f.runcell(t, args...)
		if code == 0 || !strings.Contains(stdout, "web") || !strings.Contains(stderr, "bad record") {
			t.Errorf("%v = %d, %q, %q; want the list and the error", args, code, stdout, stderr)
		}
	}
}

// A FIFO where a bundle says what it was made of keeps nobody waiting.
func TestOriginIsAPipe(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "image.json"), 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		if o := originOf(dir); o != (origin{}) {
			t.Errorf("originOf = %+v", o)
		}
		_, err := readMade(dir)
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil || !strings.Contains(err.Error(), "no regular file") {
			t.Errorf("readMade: %v", err)
		}
	case <-time.After(time.Minute):
		t.Error("somebody waits for a writer")
	}
}
