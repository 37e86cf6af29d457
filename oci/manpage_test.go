package oci

// docs/runcell-config.5 is written by this test: what the compiler says of each
// field, for samples, with this project's module. So the page can't promise what
// create does not do.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sample is a configuration's part that shows what becomes of a field.
type sample struct {
	field string // of rules
	patch string // put over a minimal configuration
	with  string // what else the patch says, in words
}

// fieldWords says what a field with a handler is, for those who don't have the
// specification at hand.
var fieldWords = map[string]string{
	"annotations":                 "Texts for tools. Those that begin with org.netbsd.cell. are settings of the cell, for tools that can't write the section netbsd.",
	"domainname":                  "A NIS domain.",
	"hooks.createContainer[]":     "Programs that run before the root directory is entered.",
	"hooks.createRuntime[]":       "Programs that run while the container is made.",
	"hooks.poststart[]":           "Programs that run when the container's program does.",
	"hooks.poststop[]":            "Programs that run after the container is deleted. They can't keep it.",
	"hooks.prestart[]":            "The same as createRuntime, of older versions.",
	"hooks.startContainer[]":      "Programs of the container that run in the cell, before its own.",
	"hostname":                    "The name that the container wants to have.",
	"linux.cgroupsPath":           "A control group.",
	"linux.devices[]":             "Nodes in /dev. Those that are not ordinary devices are opened to the cell by their number.",
	"linux.maskedPaths":           "What the container must not see.",
	"linux.namespaces[]":          "What the container has of its own. With a path it would join another's.",
	"linux.personality":           "How programs see the machine.",
	"linux.readonlyPaths":         "What the container must not change.",
	"linux.resources.pids":        "The number of processes.",
	"linux.rootfsPropagation":     "Whether mounts get from the container to the host, and back.",
	"mounts[]":                    "File systems and directories of the host, in the container.",
	"netbsd.cell.addresses":       "Addresses of the cell's own; it can bind no others.",
	"netbsd.cell.maxProcesses":    "The number of processes.",
	"netbsd.cell.network":         "host, addresses or none.",
	"netbsd.cell.permissions":     "What is opened, or closed with a minus, beside the profile.",
	"netbsd.cell.profile":         "high, medium or low.",
	"netbsd.cell.reservedPorts":   "Ports that no other cell can bind: PORT, ADDRESS:PORT, with /tcp or /udp.",
	"netbsd.devices[]":            "Nodes in /dev, with the host's number of the same path.",
	"ociVersion":                  "The version of the specification.",
	"process.args":                "The program and its arguments.",
	"process.capabilities":        "What root in the container may do. It closes permissions of the cell that it does not list, and opens those that it lists, but for far-reaching ones.",
	"process.consoleSize":         "The size of the terminal.",
	"process.cwd":                 "The working directory.",
	"process.env":                 "The environment.",
	"process.noNewPrivileges":     "No program gets more rights than the one that executes it.",
	"process.oomScoreAdj":         "How soon the process is ended when memory is short.",
	"process.rlimits[]":           "Limits of the process and what it starts, see setrlimit(2).",
	"process.scheduler":           "Policy, priority and nice value.",
	"process.terminal":            "Whether the process has a terminal.",
	"process.user.additionalGids": "Further groups.",
	"process.user.gid":            "The group, a number.",
	"process.user.uid":            "The user, a number. It is the host's user of that number.",
	"process.user.umask":          "The mask for modes of new files, in decimal.",
	"process.user.username":       "A user's name.",
	"root.path":                   "The root directory, from the bundle.",
	"root.readonly":               "Whether the root directory can be written to.",
}

const aHook = `[{"path":"/sbin/prog","args":["prog","x"],"timeout":5}]`

var samples = []sample{
	{field: "ociVersion", patch: `{"ociVersion":"1.3.0"}`},
	{field: "ociVersion", patch: `{"ociVersion":"1.9.0"}`},
	{field: "ociVersion", patch: `{"ociVersion":"2.0.0"}`},
	{field: "process.args", patch: `{"process":{"args":["httpd","-f"]}}`},
	{field: "process.env", patch: `{"process":{"env":["PATH=/bin"]}}`},
	{field: "process.cwd", patch: `{"process":{"cwd":"/srv"}}`},
	{field: "process.terminal", patch: `{"process":{"terminal":true}}`},
	{field: "process.consoleSize", patch: `{"process":{"consoleSize":{"height":24,"width":80}}}`},
	{field: "process.user.uid", patch: `{"process":{"user":{"uid":1000}}}`},
	{field: "process.user.gid", patch: `{"process":{"user":{"gid":1000}}}`},
	{field: "process.user.umask", patch: `{"process":{"user":{"umask":18}}}`},
	{field: "process.user.additionalGids", patch: `{"process":{"user":{"additionalGids":[5]}}}`},
	{field: "process.user.username", patch: `{"process":{"user":{"username":"web"}}}`},
	{field: "process.user.username", patch: `{"process":{"user":{"uid":1000,"username":"web"}}}`, with: "No with process.user.uid 1000"},
	{field: "process.capabilities", patch: `{"process":{"capabilities":{"bounding":["CAP_NET_BIND_SERVICE"]}}}`},
	{field: "process.noNewPrivileges", patch: `{"process":{"noNewPrivileges":true}}`},
	{field: "process.oomScoreAdj", patch: `{"process":{"oomScoreAdj":100}}`},
	{field: "process.rlimits[]", patch: `{"process":{"rlimits":[{"type":"RLIMIT_NOFILE","soft":1024,"hard":1024}]}}`},
	{field: "process.rlimits[]", patch: `{"process":{"rlimits":[{"type":"RLIMIT_RTPRIO","soft":0,"hard":0}]}}`},
	{field: "process.scheduler", patch: `{"process":{"scheduler":{"policy":"SCHED_OTHER","nice":5}}}`},
	{field: "process.scheduler", patch: `{"process":{"scheduler":{"policy":"SCHED_DEADLINE"}}}`},
	{field: "root.path", patch: `{"root":{"path":"rootfs"}}`},
	{field: "root.readonly", patch: `{"root":{"readonly":true}}`},
	{field: "mounts[]", patch: `{"mounts":[{"type":"bind","source":"/srv/web","destination":"/data","options":["rbind","ro"]}]}`},
	{field: "mounts[]", patch: `{"mounts":[{"type":"tmpfs","source":"tmpfs","destination":"/tmp","options":["size=64m"]}]}`},
	{field: "mounts[]", patch: `{"mounts":[{"type":"proc","source":"proc","destination":"/proc"}]}`},
	{field: "mounts[]", patch: `{"mounts":[{"type":"devpts","source":"devpts","destination":"/dev/pts"}]}`},
	{field: "mounts[]", patch: `{"mounts":[{"type":"sysfs","source":"sysfs","destination":"/sys"}]}`},
	{field: "mounts[]", patch: `{"mounts":[{"type":"cgroup","source":"cgroup","destination":"/sys/fs/cgroup"}]}`},
	{field: "mounts[]", patch: `{"mounts":[{"type":"mqueue","source":"mqueue","destination":"/dev/mqueue"}]}`},
	{field: "mounts[]", patch: `{"mounts":[{"type":"overlay","source":"overlay","destination":"/data"}]}`},
	{field: "hooks.prestart[]", patch: `{"hooks":{"prestart":` + aHook + `}}`},
	{field: "hooks.createRuntime[]", patch: `{"hooks":{"createRuntime":` + aHook + `}}`},
	{field: "hooks.createContainer[]", patch: `{"hooks":{"createContainer":` + aHook + `}}`},
	{field: "hooks.startContainer[]", patch: `{"hooks":{"startContainer":` + aHook + `}}`},
	{field: "hooks.poststart[]", patch: `{"hooks":{"poststart":` + aHook + `}}`},
	{field: "hooks.poststop[]", patch: `{"hooks":{"poststop":` + aHook + `}}`},
	{field: "hostname", patch: `{"hostname":"web"}`},
	{field: "domainname", patch: `{"domainname":"example.org"}`},
	{field: "linux.namespaces[]", patch: `{"linux":{"namespaces":[{"type":"pid"}]}}`},
	{field: "linux.namespaces[]", patch: `{"linux":{"namespaces":[{"type":"pid"},{"type":"network"}]}}`},
	{field: "linux.namespaces[]", patch: `{"linux":{"namespaces":[{"type":"pid"},{"type":"network","path":"/run/netns/web"}]}}`},
	{field: "linux.namespaces[]", patch: `{"linux":{"namespaces":[{"type":"pid"},{"type":"ipc"}]}}`},
	{field: "linux.namespaces[]", patch: `{"linux":{"namespaces":[{"type":"pid"},{"type":"mount"}]}}`},
	{field: "linux.namespaces[]", patch: `{"linux":{"namespaces":[{"type":"pid"},{"type":"uts"}]}}`},
	{field: "linux.namespaces[]", patch: `{"linux":{"namespaces":[{"type":"pid"},{"type":"cgroup"}]}}`},
	{field: "linux.namespaces[]", patch: `{"linux":{"namespaces":[{"type":"pid"},{"type":"time"}]}}`},
	{field: "linux.namespaces[]", patch: `{"linux":{"namespaces":[{"type":"pid"},{"type":"user"}]}}`},
	{field: "linux.namespaces[]", patch: `{"linux":{"namespaces":[{"type":"pid"},{"type":"mount","path":"/proc/7/ns/mnt"}]}}`},
	{field: "linux.devices[]", patch: `{"linux":{"devices":[{"path":"/dev/null","type":"c","major":1,"minor":3}]}}`},
	{field: "linux.devices[]", patch: `{"linux":{"devices":[{"path":"/dev/video0","type":"c","major":81,"minor":0}]}}`},
	{field: "linux.cgroupsPath", patch: `{"linux":{"cgroupsPath":"/cells/web"}}`},
	{field: "linux.maskedPaths", patch: `{"linux":{"maskedPaths":["/proc/kcore"]}}`},
	{field: "linux.readonlyPaths", patch: `{"linux":{"readonlyPaths":["/proc/sys"]}}`},
	{field: "linux.resources.pids", patch: `{"linux":{"resources":{"pids":{"limit":50}}}}`},
	{field: "linux.personality", patch: `{"linux":{"personality":{"domain":"LINUX"}}}`},
	{field: "linux.personality", patch: `{"linux":{"personality":{"domain":"LINUX32"}}}`},
	{field: "linux.rootfsPropagation", patch: `{"linux":{"rootfsPropagation":"private"}}`},
	{field: "linux.rootfsPropagation", patch: `{"linux":{"rootfsPropagation":"shared"}}`},
	{field: "netbsd.cell.profile", patch: `{"netbsd":{"cell":{"profile":"medium"}}}`},
	{field: "netbsd.cell.permissions", patch: `{"netbsd":{"cell":{"permissions":["sysv-ipc","-chown"]}}}`},
	{field: "netbsd.cell.reservedPorts", patch: `{"netbsd":{"cell":{"reservedPorts":["8080","192.0.2.10:443/tcp"]}}}`},
	{field: "netbsd.cell.addresses", patch: `{"netbsd":{"cell":{"addresses":[{"interface":"wm0","address":"192.0.2.10/24"}]}}}`},
	{field: "netbsd.cell.network", patch: `{"netbsd":{"cell":{"network":"none"}}}`},
	{field: "netbsd.cell.maxProcesses", patch: `{"netbsd":{"cell":{"maxProcesses":50}}}`},
	{field: "netbsd.devices[]", patch: `{"netbsd":{"devices":[{"path":"/dev/video0"}]}}`},
	{field: "annotations", patch: `{"annotations":{"org.example.note":"for a tool"}}`},
	{field: "annotations", patch: `{"annotations":{"org.netbsd.cell.profile":"medium"}}`},
	{field: "annotations", patch: `{"annotations":{"org.netbsd.cell.profil":"medium"}}`},
}

const manIntro = `.\" $NetBSD$
.\"
.\" Written by go test ./oci -update, from what the compiler says: change
.\" oci/manpage_test.go, not this file.
.Dd November 30, 2026
.Dt RUNCELL-CONFIG 5
.Os
.Sh NAME
.Nm config.json
.Nd what a cell makes of a container's configuration
.Sh SYNOPSIS
.Pa BUNDLE/config.json
.Sh DESCRIPTION
The file describes a container in the form of the OCI runtime specification,
version 1.3, and in a section
.Va netbsd
that
.Xr runcell 8
reads.
It is read once, by
.Cm create
and
.Cm run .
.Pp
Below, each field has what becomes of it on
.Nx
with the kernel module
.Xr secmodel_cell 9
of this project, for the values shown:
.Bl -tag -width "approximated"
.It exact
It is carried out.
.It approximated
It is carried out in another way, or not wholly; a warning.
.It ignored
It is not carried out, and the isolation is none the weaker; a warning.
.It error
The container is not made.
.El
.Pp
With
.Fl -strict
a warning is an error, too.
.Nm runcell Cm explain
prints the same for a configuration at hand and the kernel at hand.
A field that is not known is ignored with a warning, unless it stands in the
section
.Va netbsd ,
or looks like one that is known: then it is taken for misspelt, and an error.
`

const manEnd = `.Sh FILES
.Bl -tag -width "BUNDLE/config.json" -compact
.It Pa BUNDLE/config.json
The configuration.
.El
.Sh EXAMPLES
A cell with a port, System V IPC, and at most 50 processes:
.Bd -literal -offset indent
"netbsd": {
  "cell": {
    "permissions": ["sysv-ipc"],
    "reservedPorts": ["8080/tcp"],
    "maxProcesses": 50
  }
}
.Ed
.Sh SEE ALSO
.Xr runcell 8 ,
.Xr runcell-image 8 ,
.Xr secmodel_cell 9
.Pp
.Lk https://github.com/opencontainers/runtime-spec "OCI runtime specification"
.Sh STANDARDS
OCI runtime specification, version 1.3.
Where it wants unknown fields to be ignored, those that look misspelt are errors
here.
.Sh HISTORY
The section
.Va netbsd
first appeared in runcell 0.1.
It is no part of the specification.
.Sh AUTHORS
.An The NetBSD Cells authors
.Sh BUGS
The tables are for this project's kernel module.
With another one more is refused;
.Nm runcell Cm features
tells.
`

// manSections are the page's, by the beginning of their fields.
var manSections = []struct{ title, begins string }{
	{"Process", "process."},
	{"Root directory", "root."},
	{"Mounts", "mounts"},
	{"The section netbsd", "netbsd."},
	{"Annotations", "annotations"},
	{"Hooks", "hooks."},
	{"The section linux", "linux."},
	{"Other fields", ""},
}

func TestConfigPage(t *testing.T) {
	var page bytes.Buffer
	page.WriteString(manIntro)
	shown := map[string]bool{}
	for _, section := range manSections {
		fmt.Fprintf(&page, ".Ss %s\n.Bl -tag -width indent\n", section.title)
		for _, r := range rules {
			if shown[r.field] || !strings.HasPrefix(r.field, section.begins) {
				continue
			}
			shown[r.field] = true
			manField(t, &page, &r)
		}
		page.WriteString(".El\n")
	}
	page.WriteString(manEnd)
	const path = "../docs/runcell-config.5"
	if *update {
		if err := os.WriteFile(path, page.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(path); err != nil || !bytes.Equal(have, page.Bytes()) {
		t.Errorf("%s is stale: go test ./oci -update (%v)", path, err)
	}
}

// manField writes a field: what it is, and what becomes of its samples.
func manField(t *testing.T, page *bytes.Buffer, r *rule) {
	fmt.Fprintf(page, ".It Va %s\n", r.field)
	if r.handle == nil {
		manText(page, manOutcome(r.grade, r.fatal)+": "+r.reason)
		return
	}
	if fieldWords[r.field] == "" {
		t.Errorf("%s has no words", r.field)
	}
	manText(page, fieldWords[r.field])
	page.WriteString(".Pp\n.Bl -tag -width indent -compact\n")
	n := 0
	for _, s := range samples {
		if s.field == r.field {
			n++
			manSample(t, page, s)
		}
	}
	page.WriteString(".El\n")
	if n == 0 {
		t.Errorf("%s has no sample", r.field)
	}
}

func manSample(t *testing.T, page *bytes.Buffer, s sample) {
	var base, patch map[string]any
	for text, into := range map[string]*map[string]any{minimal(""): &base, s.patch: &patch} {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	merged, err := json.Marshal(mergePatch(base, patch))
	if err != nil {
		t.Fatal(err)
	}
	p, _ := Compile(load(t, string(merged)), ourModule())
	fmt.Fprintf(page, ".It Li %s\n", strings.TrimSpace(manQuote(shownValue(t, s))+" "+s.with))
	notes := notesOf(p, s.field)
	if len(notes) == 0 {
		t.Errorf("%s: no note for %s", s.field, s.patch)
	}
	for _, n := range notes {
		text := manOutcome(n.Grade, n.Fatal)
		if n.Reason != "" {
			text += ": " + n.Reason
		}
		manText(page, text)
	}
}

var anIndex = regexp.MustCompile(`\[\d+\]`)

// notesOf are the notes about a field; of several, those on the last entry of a
// list, and each text once.
func notesOf(p *Plan, field string) (list []Note) {
	var last string
	for _, n := range p.Notes {
		plain := anIndex.ReplaceAllString(n.Field, "[]")
		if plain != field && !strings.HasPrefix(plain, field+".") && !strings.HasPrefix(plain, field+"[") {
			continue
		}
		if entry := anIndex.FindString(n.Field); strings.HasSuffix(field, "[]") && entry != last {
			list, last = nil, entry
		}
		if !slices.ContainsFunc(list, func(o Note) bool { return o.Grade == n.Grade && o.Reason == n.Reason }) {
			list = append(list, n)
		}
	}
	return list
}

func manOutcome(g Grade, fatal bool) string {
	switch {
	case fatal:
		return "error"
	case g == Refused:
		return "ignored"
	}
	return string(g)
}

// shownValue is the value of a sample, as it stands in the file; of a list, its
// last entry.
func shownValue(t *testing.T, s sample) string {
	var v any
	if err := json.Unmarshal([]byte(s.patch), &v); err != nil {
		t.Fatal(err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(s.field, "[]"), ".") {
		v = v.(map[string]any)[name]
	}
	if list, ok := v.([]any); ok && strings.HasSuffix(s.field, "[]") {
		v = list[len(list)-1]
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// mergePatch puts one object over another, as RFC 7396 does.
func mergePatch(into, patch map[string]any) map[string]any {
	for name, v := range patch {
		below, isObject := v.(map[string]any)
		have, had := into[name].(map[string]any)
		if isObject && had {
			v = mergePatch(have, below)
		}
		into[name] = v
	}
	return into
}

// manQuote makes a macro's argument.
func manQuote(s string) string {
	return `"` + strings.ReplaceAll(strings.ReplaceAll(s, `\`, `\e`), `"`, `""`) + `"`
}

var sentence = regexp.MustCompile(`([.:]) ([A-Z])`)

// manSystem is the system's name with what follows it in the word.
func manSystem(rest string) string {
	switch {
	case rest == "":
		return ".Nx\n"
	case strings.Trim(rest, ",;:.") == "":
		return ".Nx " + rest + "\n"
	}
	return ".Nx Ns " + rest + "\n"
}

// manText writes text: a sentence begins a line, and lines are short.
func manText(page *bytes.Buffer, text string) {
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	text = sentence.ReplaceAllString(strings.ReplaceAll(text, `\`, `\e`), "$1\n$2")
	for part := range strings.SplitSeq(text, "\n") {
		line := ""
		flush := func() {
			if line != "" {
				page.WriteString(line + "\n")
			}
			line = ""
		}
		for _, word := range strings.Fields(part) {
			if len(line)+1+len(word) > 78 {
				flush()
			}
			if rest, ok := strings.CutPrefix(word, "NetBSD"); ok {
				flush()
				page.WriteString(manSystem(rest))
				continue
			}
			if line == "" && strings.ContainsAny(word[:1], ".'") {
				word = `\&` + word
			}
			line = strings.TrimPrefix(line+" "+word, " ")
		}
		flush()
	}
}
