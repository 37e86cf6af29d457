package harness

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

func TestFilesNaming(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"lock": "", "db": "other ids", "one/container-1/state": "{}", "index": `{"container-2":1}`, "0": "", "ten": "00",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, path := range FilesNaming(dir, []string{"container-1", "container-2", "0"}) {
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, rel)
	}
	want := []string{"0", "index", "one/container-1", "one/container-1/state"}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("FilesNaming gave %q; want %q", got, want)
	}
}

func fake(name string, run func(*T)) Case {
	return Case{Name: name, Clause: "none", Does: "holds", Run: run}
}

func TestSuiteCheck(t *testing.T) {
	ok := fake("a/b", func(*T) {})
	for name, s := range map[string]*Suite{
		"same name twice":       {Cases: []Case{ok, ok}},
		"no clause":             {Cases: []Case{{Name: "a/b", Does: "x", Run: ok.Run}}},
		"difference of no case": {Cases: []Case{ok}, Expected: Expected{"r": {"a/c": "why"}}},
	} {
		if s.Check() == nil {
			t.Errorf("Check accepted a suite with %s", name)
		}
	}
	s := &Suite{Cases: []Case{ok, fake("a/c", func(*T) {}), fake("b/a", func(*T) {})}, Expected: Expected{"r": {"a/c": "why"}}}
	if err := s.Check(); err != nil {
		t.Error(err)
	}
	if got := s.Select(regexp.MustCompile("^a/")); len(got) != 2 {
		t.Errorf("Select gave %d cases; want 2", len(got))
	}
}

func TestParseTarget(t *testing.T) {
	path := filepath.Join(t.TempDir(), "crun-next")
	script := "#!/bin/sh\necho 'crun version 1.26-rc1'\necho 'spec: 1.0.0'\n"
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	got, err := ParseTarget(path)
	want := Target{Name: "crun-next", Path: path, Version: "1.26", OCIVersion: "1.0.2", HideCgroup2: true}
	if err != nil || got != want {
		t.Errorf("ParseTarget(%q) = %+v, %v; want %+v", path, got, err, want)
	}
	if got, err = ParseTarget(path + ",next"); err != nil || got.Name != "next" {
		t.Errorf("ParseTarget with a name = %+v, %v", got, err)
	}
	if _, err = ParseTarget("/no/such/runtime"); err == nil {
		t.Errorf("ParseTarget accepted a missing runtime")
	}
}

func TestParseLines(t *testing.T) {
	lines := ParseLines("noise\n{\"op\":\"write\",\"args\":[\"/a\",\"x\"],\"ok\":true}\r\n^C{\"op\":\"signal\",\"text\":\"SIGINT\"}\n{\"other\":1}\n{")
	if got, want := lines.Ops(), []string{"write /a x", "signal"}; !slices.Equal(got, want) {
		t.Errorf("Ops = %q; want %q", got, want)
	}
	if line, ok := lines.Find("write", "/a"); !ok || !line.OK {
		t.Errorf("Find(write /a) = %+v, %v", line, ok)
	}
	if _, ok := lines.Find("write", "/b"); ok {
		t.Errorf("Find(write /b) found something")
	}
}

func FuzzParseLines(f *testing.F) {
	f.Add("{\"op\":\"facts\",\"facts\":{\"pid\":1}}\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, line := range ParseLines(text) {
			if line.Op == "" {
				t.Errorf("a line without an operation from %q", text)
			}
		}
	})
}
