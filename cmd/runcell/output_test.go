package main

// What the commands print.

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/runtime-spec/specs-go/features"
)

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
			f := &fake{states: someStates(), pids: []int{551, 649}, features: someFeatures(), members: someMembers(), stats: []kmod.Stats{someStats()}}
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
		"list":                "ID   PID   STATUS   BUNDLE   CREATED   OWNER\n",
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
	dir := t.TempDir()
	f := &fake{features: someFeatures()}
	if _, stderr, code := f.runcell(t, "spec", "--bundle", dir); code != 0 {
		t.Fatal(stderr)
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
