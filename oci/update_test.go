package oci

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestUpdate(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                      "- []",
		`{"pids":{"limit":7}}`:    "7 []",
		`{"pids":{"limit":-1}}`:   "0 []",
		`{"pids":{"limit":0}}`:    "- []",
		`{"memory":{},"cpu":{}}`:  "- []",
		`{"memory":{"limit":0}}`:  "- []",
		`{"memory":{"limit":-1}}`: "- [memory.limit]",
		`{"memory":{"limit":5,"swap":9},"cpu":{"shares":0,"quota":3,"cpus":"0"},"pids":{"limit":2}}`: "2 [memory.limit memory.swap cpu.quota cpu.cpus]",
		`{"blockIO":{"weight":3},"unified":{"memory.max":"1"},"devices":[{"allow":false}]}`:          "- [devices blockIO.weight unified]",
	} {
		r, unknown, err := LoadResources(strings.NewReader(text))
		if err != nil || len(unknown) > 0 {
			t.Errorf("LoadResources(%s) = %v, %v", text, unknown, err)
			continue
		}
		u := CompileUpdate(r)
		limit := "-"
		if u.MaxProcesses != nil {
			limit = fmt.Sprint(*u.MaxProcesses)
		}
		if got := fmt.Sprint(limit, " ", u.Lacking); got != want {
			t.Errorf("CompileUpdate(%s) = %s; want %s", text, got, want)
		}
	}
	for _, text := range []string{"", "[]", `{"pids":{"limit":"x"}}`, `{"pids":{},"pids":{}}`, "{} {}"} {
		if _, _, err := LoadResources(strings.NewReader(text)); err == nil {
			t.Errorf("LoadResources(%s) accepts it", text)
		}
	}
	if _, unknown, err := LoadResources(strings.NewReader(`{"future":{}}`)); err != nil || !slices.Equal(unknown, []string{"future"}) {
		t.Errorf("an unknown field gives %v, %v", unknown, err)
	}
	for _, text := range []string{`{"pidz":{"limit":5}}`, `{"pids":{"limi":5}}`} {
		if _, _, err := LoadResources(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), "did you mean") {
			t.Errorf("LoadResources(%s) = %v; want an error: the limit would not be set", text, err)
		}
	}
}

func FuzzUpdate(f *testing.F) {
	f.Add(`{"memory":{"limit":5},"cpu":{"shares":1},"pids":{"limit":2},"hugepageLimits":[{"pageSize":"2MB","limit":1}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		r, _, err := LoadResources(strings.NewReader(text))
		if err != nil {
			return
		}
		if u := CompileUpdate(r); slices.Contains(u.Lacking, "") {
			t.Fatalf("a field without a name: %q", u.Lacking)
		}
	})
}
