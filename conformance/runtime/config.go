package runtime

// Configs that must be refused, each with nothing left behind.

import (
	"os"
	"slices"

	h "github.com/netbsd-cells/runcell/conformance/harness"
)

// badConfig is a config that create must refuse.
type badConfig struct {
	name, clause, does string
	edit               func(config map[string]any)
	raw                string // the whole text instead
	linux              bool   // NetBSD has no namespaces to look at
}

// namespacePath gives a namespace a path.
func namespacePath(kind, path string) func(map[string]any) {
	return func(c map[string]any) {
		l := linuxSection(c)
		list := slices.DeleteFunc(l["namespaces"].([]any), func(n any) bool { return n.(map[string]any)["type"] == kind })
		l["namespaces"] = append(list, map[string]any{"type": kind, "path": path})
	}
}

var config = append(badConfigs(), []h.Case{
	{
		Name: "config/missing", Clause: "bundle.md Container format",
		Does: "a bundle without config.json is an error", Run: func(t *t) {
			b := t.Bundle()
			t.Must("remove config", os.Remove(b.File("config.json")))
			refusedCreate(t, b)
		},
	},
	{
		Name: "config/unknown-property", Clause: "config.md Extensibility",
		Does: "an unknown property is not an error", Run: func(t *t) {
			b := t.Bundle(h.Do("mark", "ran"))
			b.Edit(func(c map[string]any) { c["com.example.unknown"] = map[string]any{"a": 1} })
			t.Succeeds(t.ProbeBundle(b), "mark", "ran")
		},
	},
	{
		Name: "config/unknown-annotation", Clause: "config.md Annotations",
		Does: "an unknown annotation is not an error", Run: func(t *t) {
			t.Succeeds(t.Probe(h.Do("mark", "ran"), h.Annotate("com.example.unknown", "")), "mark", "ran")
		},
	},
	{
		Name: "config/byte-order", Clause: "config.md Configuration",
		Does: "a config without white space or with much is the same", Run: func(t *t) {
			b := t.Bundle(h.Do("mark", "ran"))
			b.WriteRaw("\n\t " + t.ReadFile(b.File("config.json")) + " \n\n")
			t.Succeeds(t.ProbeBundle(b), "mark", "ran")
		},
	},
}...)

// linuxSection gives the section with a namespace in it, which NetBSD's config
// lacks.
func linuxSection(c map[string]any) map[string]any {
	if c["linux"] == nil {
		c["linux"] = map[string]any{"namespaces": []any{map[string]any{"type": "pid"}}}
	}
	return c["linux"].(map[string]any)
}

func badConfigs() []h.Case {
	process := func(key string, value any) func(map[string]any) {
		return func(c map[string]any) { c["process"].(map[string]any)[key] = value }
	}
	rlimit := func(kind string) map[string]any { return map[string]any{"type": kind, "soft": 64, "hard": 64} }
	var cases []h.Case
	for _, bad := range []badConfig{
		{name: "empty", clause: "config.md Configuration", does: "an empty config.json is an error", raw: " "},
		{name: "malformed", clause: "config.md Configuration", does: "malformed JSON is an error", raw: `{"ociVersion": "1.0.2", "process": `},
		{name: "not-object", clause: "config.md Configuration", does: "JSON that is no object is an error", raw: `["ociVersion"]`},
		{name: "trailing", clause: "config.md Configuration", does: "text after the JSON object is an error", raw: "\x00trailing"},
		{name: "no-version", clause: "config.md Specification version", does: "a missing ociVersion is an error", edit: func(c map[string]any) { delete(c, "ociVersion") }},
		{name: "bad-version", clause: "config.md Specification version", does: "an ociVersion that is no SemVer is an error", edit: func(c map[string]any) { c["ociVersion"] = "one" }},
		{name: "next-major-version", clause: "config.md Specification version", does: "an ociVersion of another major version is an error", edit: func(c map[string]any) { c["ociVersion"] = "2.0.0" }},
		{name: "no-root", clause: "config.md Root", does: "a missing root is an error", edit: func(c map[string]any) { delete(c, "root") }},
		{name: "no-root-path", clause: "config.md Root", does: "a missing root.path is an error", edit: func(c map[string]any) { c["root"] = map[string]any{} }},
		{name: "root-missing", clause: "config.md Root", does: "a root.path that does not exist is an error", edit: func(c map[string]any) { c["root"] = map[string]any{"path": "nowhere"} }},
		{name: "root-file", clause: "config.md Root", does: "a root.path that is no directory is an error", edit: func(c map[string]any) { c["root"] = map[string]any{"path": "config.json"} }},
		{name: "no-args", clause: "config.md Process", does: "a missing process.args is an error", edit: func(c map[string]any) { delete(c["process"].(map[string]any), "args") }},
		{name: "empty-args", clause: "config.md Process", does: "an empty process.args is an error", edit: process("args", []any{})},
		{name: "args-string", clause: "config.md Process", does: "a process.args of the wrong type is an error", edit: process("args", "/bin/probe")},
		{name: "no-cwd", clause: "config.md Process", does: "a missing process.cwd is an error", edit: func(c map[string]any) { delete(c["process"].(map[string]any), "cwd") }},
		{name: "relative-cwd", clause: "config.md Process", does: "a relative process.cwd is an error", edit: process("cwd", "tmp")},
		{name: "unknown-rlimit", clause: "config.md POSIX process", does: "an unknown rlimit is an error", edit: process("rlimits", []any{rlimit("RLIMIT_UNKNOWN")})},
		{name: "double-rlimit", clause: "config.md POSIX process", does: "an rlimit given twice is an error", edit: process("rlimits", []any{rlimit("RLIMIT_NOFILE"), rlimit("RLIMIT_NOFILE")})},
		{name: "rlimit-soft-above-hard", clause: "config.md POSIX process", does: "a soft limit above the hard one is an error", edit: process("rlimits", []any{map[string]any{"type": "RLIMIT_NOFILE", "soft": 128, "hard": 64}})},
		{name: "double-namespace", clause: "config-linux.md Namespaces", does: "a namespace given twice is an error", edit: func(c map[string]any) {
			l := linuxSection(c)
			l["namespaces"] = append(l["namespaces"].([]any), map[string]any{"type": "pid"})
		}},
		{name: "unknown-namespace", clause: "config-linux.md Namespaces", does: "an unknown namespace is an error", edit: func(c map[string]any) {
			l := linuxSection(c)
			l["namespaces"] = append(l["namespaces"].([]any), map[string]any{"type": "unknown"})
		}},
		{name: "namespace-missing", clause: "config-linux.md Namespaces, path", does: "a namespace by a path that is not there is an error", edit: namespacePath("ipc", "/no/such/namespace"), linux: true},
		{name: "namespace-of-other-type", clause: "config-linux.md Namespaces, path", does: "a namespace by a path of another type is an error", edit: namespacePath("uts", "/proc/self/ns/ipc"), linux: true},
		{name: "namespace-file", clause: "config-linux.md Namespaces, path", does: "a namespace by a path of a file is an error", edit: namespacePath("ipc", "/proc/self/status"), linux: true},
		{name: "mount-without-destination", clause: "config.md Mounts", does: "a mount without a destination is an error", edit: func(c map[string]any) {
			c["mounts"] = append(c["mounts"].([]any), map[string]any{"type": "tmpfs", "source": "tmpfs"})
		}},
		{name: "unknown-filesystem", clause: "config.md Mounts", does: "an unknown filesystem type is an error", edit: func(c map[string]any) {
			c["mounts"] = append(c["mounts"].([]any), map[string]any{"destination": "/mnt", "type": "nosuchfs", "source": "none"})
		}},
		{name: "bind-source-missing", clause: "config.md Mounts", does: "a bind mount of a missing source is an error", edit: func(c map[string]any) {
			c["mounts"] = append(c["mounts"].([]any), map[string]any{"destination": "/mnt", "type": "bind", "source": "/no/such/dir", "options": []any{"bind"}})
		}},
	} {
		var os []string
		why := ""
		if bad.linux {
			os, why = linux, "NetBSD has no namespaces: the path leads to nothing, and a note says so"
		}
		cases = append(cases, h.Case{
			Name: "config/" + bad.name, Clause: bad.clause, Does: bad.does + " and leaves nothing", OS: os, Else: why,
			Run: func(t *t) {
				b := t.Bundle(h.Idle)
				switch {
				case bad.name == "trailing":
					b.WriteRaw(t.ReadFile(b.File("config.json")) + "} trailing")
				case bad.raw != "":
					b.WriteRaw(bad.raw)
				default:
					b.Edit(bad.edit)
				}
				refusedCreate(t, b)
			},
		})
	}
	return cases
}

// refusedCreate checks that create fails and that no container came of it.
func refusedCreate(t *t, b *h.Bundle, flags ...string) h.CmdResult {
	id := t.ID()
	r := t.Refused(append(append([]string{"create", "--bundle", b.Dir}, flags...), id)...)
	t.Unknown(id)
	for _, name := range stateOf(t, id) {
		t.Errorf("the refused create left %s", name)
	}
	return r
}
