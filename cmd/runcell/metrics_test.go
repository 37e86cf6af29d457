package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
	"github.com/netbsd-cells/runcell/runtime"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// parseMetrics reads an exposition as Prometheus' own library does, in both of
// its formats. It calls counters by the name of their samples.
func parseMetrics(t *testing.T, text string) map[string]*dto.MetricFamily {
	t.Helper()
	old := expfmt.NewTextParser(model.LegacyValidation)
	if _, err := old.TextToMetricFamilies(strings.NewReader(text)); err != nil {
		t.Fatalf("as the older text format: %v\n%s", err, text)
	}
	families := map[string]*dto.MetricFamily{}
	d := expfmt.NewDecoder(strings.NewReader(text), expfmt.NewFormat(expfmt.TypeOpenMetrics))
	for {
		var f dto.MetricFamily
		err := d.Decode(&f)
		if errors.Is(err, io.EOF) {
			return families
		}
		if err != nil {
			t.Fatalf("as OpenMetrics: %v\n%s", err, text)
		}
		families[f.GetName()] = &f
	}
}

// value finds the sample with these labels.
func value(t *testing.T, f *dto.MetricFamily, labels ...string) float64 {
	t.Helper()
	for _, m := range f.GetMetric() {
		got := []string{}
		for _, l := range m.GetLabel() {
			got = append(got, l.GetName(), l.GetValue())
		}
		if strings.Join(got, "\x00") == strings.Join(labels, "\x00") {
			return m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	t.Errorf("no sample %q in %v", labels, f)
	return -1
}

func TestMetrics(t *testing.T) {
	states := append(someStates(), &runtime.State{ID: "x+y", Status: runtime.Created})
	f := &fake{states: states, stats: []kmod.Stats{someStats(), {Processes: 1}}}
	stdout, stderr, code := f.runcell(t, "metrics")
	if code != 0 || stderr != "" {
		t.Fatalf("code %d, stderr %q", code, stderr)
	}
	got := parseMetrics(t, stdout)
	for _, c := range []struct {
		family string
		want   float64
		labels []string
	}{
		{"runcell_build_info", 1, []string{"version", version}},
		{"runcell_containers", 1, []string{"status", "running"}},
		{"runcell_containers", 1, []string{"status", "stopped"}},
		{"runcell_containers", 0, []string{"status", "paused"}},
		{"runcell_unreadable_containers", 0, nil},
		{"runcell_cell_processes", 2, []string{"id", "web"}},
		{"runcell_cell_processes", 1, []string{"id", "x+y"}},
		{"runcell_cell_processes_limit", 50, []string{"id", "web"}},
		{"runcell_cell_memory_bytes", 5 << 20, []string{"id", "web"}},
		{"runcell_cell_cpu_seconds_total", 1.5, []string{"id", "web"}},
		{"runcell_cell_denials_total", 3, []string{"id", "web", "scope", "system"}},
		{"runcell_cell_denials_total", 0, []string{"id", "web", "scope", "network"}},
	} {
		if v := value(t, got[c.family], c.labels...); v != c.want {
			t.Errorf("%s %q = %v; want %v", c.family, c.labels, v, c.want)
		}
	}
	if n := len(got["runcell_cell_denials_total"].GetMetric()); n != len(policy.Scopes) {
		t.Errorf("%d samples of denials; want one for each scope, and none of a cell that is not counted", n)
	}
	if got["runcell_cell_cpu_seconds_total"].GetType() != dto.MetricType_COUNTER || got["runcell_cell_cpu_seconds_total"].GetUnit() != "seconds" {
		t.Errorf("CPU time is %v", got["runcell_cell_cpu_seconds_total"])
	}
}

// A container that can't be read does not hide the others, and is counted.
func TestMetricsWithErrors(t *testing.T) {
	f := &fake{states: someStates(), statsErr: errors.New("broken")}
	stdout, _, code := f.runcell(t, "metrics")
	if got := parseMetrics(t, stdout); code != 0 || value(t, got["runcell_unreadable_containers"]) != 1 {
		t.Errorf("code %d:\n%s", code, stdout)
	}
	f = &fake{states: someStates(), statsErr: runtime.ErrNotRunning} // it ended meanwhile
	stdout, _, _ = f.runcell(t, "metrics", "web")
	if got := parseMetrics(t, stdout); value(t, got["runcell_unreadable_containers"]) != 0 || got["runcell_cell_processes"] != nil {
		t.Errorf("a container that ended is told as\n%s", stdout)
	}
}

func FuzzMetricLabel(f *testing.F) {
	f.Add("web")
	f.Add("a\"b\\c\nd\xff\x00é")
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 100 {
			return // the library's parser of OpenMetrics takes half a minute for a kilobyte
		}
		m := &family{name: "x", help: s}
		m.add(1, "label", s)
		var b bytes.Buffer
		writeMetrics(&b, []*family{m})
		if strings.ContainsRune(s, 0) || strings.ContainsRune(s, '\r') {
			return // the library's grammar has neither, which is stricter than the format's
		}
		got := parseMetrics(t, b.String())["x"]
		if want := strings.ToValidUTF8(s, "�"); got.GetMetric()[0].GetLabel()[0].GetValue() != want {
			t.Errorf("label %q became %q", s, got)
		}
	})
}

func TestMetricsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cells.prom")
	for range 2 {
		f := &fake{states: someStates(), stats: []kmod.Stats{someStats()}}
		if stdout, stderr, code := f.runcell(t, "metrics", "--output", path); code != 0 || stdout != "" || stderr != "" {
			t.Fatalf("code %d, stdout %q, stderr %q", code, stdout, stderr)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		parseMetrics(t, string(b))
	}
	if names, _ := os.ReadDir(filepath.Dir(path)); len(names) != 1 {
		t.Errorf("left beside the file: %v", names)
	}
}

func TestInetd(t *testing.T) {
	for request, want := range map[string]string{
		"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: a/b\r\n\r\n":        "HTTP/1.1 200 OK\r\nContent-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n",
		"HEAD /metrics?x=1 HTTP/1.0\r\n\r\n":                             "HTTP/1.1 200 OK\r\n",
		"GET /metrics HTTP/1.1\n\n":                                      "HTTP/1.1 200 OK\r\n",
		"GET / HTTP/1.1\r\n\r\n":                                         "HTTP/1.1 404 Not Found\r\n",
		"POST /metrics HTTP/1.1\r\n\r\n":                                 "HTTP/1.1 405 Method Not Allowed\r\n",
		"GET /metrics\r\n\r\n":                                           "HTTP/1.1 400 Bad Request\r\n",
		"GET /metrics HTTP/1.1\r\nHost":                                  "HTTP/1.1 400 Bad Request\r\n",
		"\x00\xff\r\n\r\n":                                               "HTTP/1.1 400 Bad Request\r\n",
		"GET /metrics HTTP/1.1\r\nX: " + strings.Repeat("x", maxRequest): "HTTP/1.1 431 ",
		"GET /" + strings.Repeat("x", maxRequest):                        "HTTP/1.1 431 ",
	} {
		f := &fake{states: someStates(), stats: []kmod.Stats{someStats()}, stdin: request}
		stdout, stderr, code := f.runcell(t, "metrics", "--inetd")
		head, body, ok := strings.Cut(stdout, "\r\n\r\n")
		if code != 0 || stderr != "" || !ok || !strings.HasPrefix(head+"\r\n", want) {
			t.Errorf("%.40q gives code %d, %q, stderr %q; want %q", request, code, head, stderr, want)
		}
		if strings.HasPrefix(request, "GET /metrics HTTP/1.1\n") {
			parseMetrics(t, body)
		}
		if strings.HasPrefix(request, "HEAD") != (body == "") {
			t.Errorf("%.40q gives the body %q", request, body)
		}
	}
	f := &fake{}
	if stdout, stderr, code := f.runcell(t, "metrics", "--inetd"); stdout+stderr != "" || code != 0 {
		t.Errorf("a client that goes away: %q, %q, code %d", stdout, stderr, code)
	}
	f = &fake{err: errors.New("no such module"), stdin: "GET /metrics HTTP/1.1\r\n\r\n"}
	stdout, stderr, code := f.runcell(t, "metrics", "--inetd")
	if !strings.HasPrefix(stdout, "HTTP/1.1 500 ") || !strings.Contains(stdout, "no such module") || stderr != "" || code != 1 {
		t.Errorf("an error: %q, stderr %q, code %d; want status 500 and nothing else on the connection", stdout, stderr, code)
	}
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		method, status := readRequest(bytes.NewReader(b))
		if status != 0 && statusText[status] == "" || status == 200 && method != "GET" && method != "HEAD" || (len(b) == 0) != (status == 0) {
			t.Errorf("readRequest(%q) = %q, %d", b, method, status)
		}
	})
}

// events ends with the container, and tells of denials between two stats.
func TestEvents(t *testing.T) {
	before, after := someStats(), someStats()
	after.Denials = map[string]uint64{"system": 3, "network": 2}
	f := &fake{stats: []kmod.Stats{before, before, after, after}}
	stdout, stderr, code := f.runcell(t, "events", "--interval", "1ms", "web")
	if code != 0 || stderr != "" {
		t.Fatalf("code %d, stderr %q", code, stderr)
	}
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	want := `{"type":"denial","id":"web","data":{"denials":{"network":2},"last":{"request":"system.mknod","pid":649,"uid":1000,"sinceBootSeconds":90}}}`
	if len(lines) != 5 || lines[2] != want {
		t.Errorf("events prints\n%s\nwant 4 stats and the third line\n%s", stdout, want)
	}
}
