package oci

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestLoadRefuses(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"nothing":             {"", "must be an object, is the end of the data"},
		"byte order mark":     {"\xef\xbb\xbf{}", "byte order mark"},
		"not JSON":            {"hello", "must be an object, is 'h'"},
		"an array":            {"[]", "must be an object, is an array"},
		"cut off":             {`{"ociVersion": "1.0.0", "process": {`, "process: must be a key in double quotes, is the end of the data"},
		"trailing data":       {minimal("") + "{}", "data after the end of the JSON value"},
		"trailing comma":      {`{"ociVersion":"1.0.0",}`, "must be a key in double quotes"},
		"duplicate key":       {`{"process":{"cwd":"/","cwd":"/tmp"}}`, "process.cwd: duplicate key"},
		"duplicate unknown":   {`{"x":1,"x":2}`, "x: duplicate key"},
		"duplicate in map":    {`{"annotations":{"a":"1","a":"2"}}`, "annotations.a: duplicate key"},
		"string for a number": {`{"process":{"user":{"uid":"0"}}}`, "process.user.uid: must be a number, is a string"},
		"number for a string": {`{"process":{"args":["sh",1]}}`, "process.args[1]: must be a string, is a number"},
		"object for a list":   {`{"mounts":{}}`, "mounts: must be an array, is an object"},
		"negative id":         {`{"process":{"user":{"uid":-1}}}`, "process.user.uid: -1: must be a whole number from 0, of 32 bits"},
		"large id":            {`{"process":{"user":{"gid":4294967296}}}`, "process.user.gid: 4294967296: must be a whole number from 0"},
		"fraction":            {`{"process":{"oomScoreAdj":1.5}}`, "process.oomScoreAdj: 1.5: must be a whole number"},
		"NUL in a path":       {`{"root":{"path":"root\u0000fs"}}`, "root.path: NUL byte in a string"},
		"lone surrogate":      {`{"hostname":"\ud800"}`, `hostname: invalid JSON: \u escape that is no character`},
		"not UTF-8":           {"{\"hostname\":\"\xff\"}", "not valid UTF-8"},
		"the line":            {"{\n\"root\": {\n\"path\": 7}}", "line 3: root.path: must be a string"},
		"rlimit below zero":   {`{"process":{"rlimits":[{"type":"RLIMIT_CPU","hard":-1,"soft":0}]}}`, "process.rlimits[0].hard: -1"},
		"too deep":            {`{"x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, "nested deeper than 64 levels"},
	} {
		_, err := Load(strings.NewReader(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Load = %v; want an error with %q", name, err, c.want)
		}
	}
}

func TestLoadKeepsUnknownFields(t *testing.T) {
	cfg := load(t, `{"ociVersion":"1.3.0","Process":{},"root":{"path":"r","color":"red"},"mounts":[{"destination":"/a","x":[1,{"y":null}]}]}`)
	var got []string
	for _, u := range cfg.Unknown {
		got = append(got, u.Field)
	}
	if want := []string{"Process", "root.color", "mounts[0].x"}; !slices.Equal(got, want) {
		t.Errorf("Unknown = %q; want %q", got, want)
	}
}

// What is no configuration is told in one line, and one with many mistakes in
// some.
func TestManyMistakesAreTold(t *testing.T) {
	_, err := Load(strings.NewReader(`{"mounts":[` + strings.Repeat(`{"mountPoint":1},`, 2000) + `{}]}`))
	if err == nil || !strings.Contains(err.Error(), "2000 fields are unknown, the first is mounts[0].mountPoint") {
		t.Errorf("Load of 2,000 unknown fields = %v", err)
	}
	cfg := load(t, `{"ociVersion":"1.3.0","mounts":[`+strings.Repeat(`{},`, 2000)+`{}]}`)
	_, err = Compile(cfg, ourModule())
	if err == nil || strings.Count(err.Error(), "\n") != mostProblems || !strings.HasSuffix(err.Error(), " more") {
		t.Errorf("Compile of 2,000 mounts to nowhere = %.300v", err)
	}
}

func TestLoadLimitsTheSize(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	big := minimal("") + strings.Repeat(" ", MaxConfigSize)
	if err := os.WriteFile(path, []byte(big), 0o600); err != nil {
		t.Fatal(err)
	}
	_, fileErr := LoadFile(path)
	_, streamErr := Load(strings.NewReader(big))
	for what, err := range map[string]error{"LoadFile": fileErr, "Load": streamErr} {
		if err == nil || !strings.Contains(err.Error(), "larger than 16 MiB") {
			t.Errorf("%s of %d bytes = %v; want a refusal", what, len(big), err)
		}
	}
}

func TestLoadFileErrors(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "config.json")
	if _, err := LoadFile(missing); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), missing) {
		t.Errorf("LoadFile of a missing file = %v; want fs.ErrNotExist with the path", err)
	}
	if err := unix.Mkfifo(missing, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{missing, "/dev/zero", "/"} { // none of them is waited for
		if _, err := LoadFile(path); err == nil || !strings.Contains(err.Error(), "no regular file") {
			t.Errorf("LoadFile of %s = %v; want a refusal", path, err)
		}
	}
}

func TestLoadProcess(t *testing.T) {
	p, err := LoadProcess(strings.NewReader(`{"terminal":true,"user":{"uid":7,"gid":8},"args":["id"],"cwd":"/","new":1}`))
	if err != nil || !p.Terminal || p.User.UID != 7 || p.Args[0] != "id" {
		t.Errorf("LoadProcess = %+v, %v", p, err)
	}
	if _, err := LoadProcess(strings.NewReader(`{"args":"id"}`)); err == nil || !strings.Contains(err.Error(), "args: must be an array") {
		t.Errorf("LoadProcess with a string as args = %v", err)
	}
}

func TestVersion(t *testing.T) {
	for v, ok := range map[string]bool{
		"1.0.0": true, "1.0.2-dev": true, "1.1.0": true, "1.2.1": true, "1.3.0": true, "1.3.7": true, "1.3.0-rc.1+build.5": true,
		"": false, "1": false, "1.0": false, "0.9.0": false, "1.4.0": true, "2.0.0": false, "1.0.0.0": false, "v1.0.0": false,
		"1.0.0-": false, "1.0.0+": false, "01.0.0": false, "1.-1.0": false, "1.0.x": false, " 1.0.0": false,
	} {
		if _, err := checkVersion(v); (err == nil) != ok {
			t.Errorf("checkVersion(%q) = %v; want accepted = %v", v, err, ok)
		}
	}
	cfg := load(t, minimal(""))
	cfg.Version = "1.4.0"
	p, err := Compile(cfg, ourModule())
	if err != nil {
		t.Fatalf("Compile with version 1.4.0 = %v", err)
	}
	if n, _ := noteOn(p, "ociVersion"); n.Grade != Refused || !strings.Contains(n.Reason, "later than 1.3") {
		t.Errorf("the note on version 1.4.0 is %+v; want a warning", n)
	}
	cfg.Version = "2.0.0"
	if _, err := Compile(cfg, ourModule()); err == nil || !strings.Contains(err.Error(), `"2.0.0" is not supported; this program knows 1.0.0 to 1.3`) {
		t.Errorf("Compile with version 2.0.0 = %v", err)
	}
}
