package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/image/bundle"
)

// The image is valid, all forms have the same content, and it is what the
// table says of it: so large, and compressed as programs are.
func TestMakeImage(t *testing.T) {
	const mb = 4
	dir := t.TempDir()
	entries, err := makeImage(dir, mb)
	if err != nil {
		t.Fatal(err)
	}
	var results [len(forms)]*bundle.Result
	for i, f := range forms {
		layout := filepath.Join(dir, f.name)
		res, err := bundle.Unpack(t.Context(), layout, filepath.Join(t.TempDir(), "b"), bundle.UnpackOptions{NoSync: true})
		if err != nil {
			t.Fatal(err)
		}
		results[i] = res
		// Directories that no entry describes count, too.
		if res.Layers != imageLayers || res.Entries < int64(entries) {
			t.Errorf("%s: %d layers, %d entries; want %d, and %d or more", f.name, res.Layers, res.Entries, imageLayers, entries)
		}
		if res.Size < mb<<20/2 || res.Size > mb<<20*2 {
			t.Errorf("%s: %d bytes uncompressed; want about %d", f.name, res.Size, mb<<20)
		}
		var packed int64
		files, err := layerFiles(layout)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			fi, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			packed += fi.Size()
		}
		least, most := 2.0, 4.5
		if f.name == "plain" {
			least, most = 0.8, 1 // headers and padding
		}
		if ratio := float64(res.Size) / float64(packed); ratio < least || ratio > most {
			t.Errorf("%s: %.1f times smaller; want %v to %v", f.name, ratio, least, most)
		}
	}
	for i, res := range results {
		if res.Size != results[0].Size {
			t.Errorf("%s has %d bytes, and %s %d", forms[i].name, res.Size, forms[0].name, results[0].Size)
		}
	}
}

// A round measures the program, not who starts it: a program that needs 64
// MiB is told from this test binary and from one that needs nothing.
func TestRound(t *testing.T) {
	if _, err := os.Stat("/bin/busybox"); err != nil {
		t.Skip(err)
	}
	target := filepath.Join(t.TempDir(), "out")
	for size, bounds := range map[string][2]float64{"1k": {0.1, 8}, "64M": {64, 72}} {
		u := &unpacker{argv: func(target string) []string {
			return []string{"/bin/busybox", "sh", "-ec", "mkdir " + target + "; exec /bin/busybox dd if=/dev/zero of=/dev/null count=1 bs=" + size}
		}}
		if err := u.round(target); err != nil {
			t.Fatal(err)
		}
		if p := u.peak[0]; p < bounds[0] || p > bounds[1] {
			t.Errorf("dd with a buffer of %s has a peak of %.1f MiB; want %v", size, p, bounds)
		}
		if u.wall[0] <= 0 || u.cpu[0] < 0 {
			t.Errorf("times are %v, %v", u.wall, u.cpu)
		}
		if _, err := os.Lstat(target); !os.IsNotExist(err) {
			t.Errorf("what was unpacked is still there: %v", err)
		}
	}
	failing := &unpacker{argv: func(string) []string { return []string{"/bin/busybox", "false"} }}
	if err := failing.round(target); err == nil || len(failing.wall) > 0 {
		t.Errorf("a program that fails was measured: %v, %v", err, failing.wall)
	}
}

// Ratios are to the first of the same form; what failed says why.
func TestPrintUnpack(t *testing.T) {
	list := []*unpacker{
		{name: "one", form: "gzip", wall: []float64{4, 2, 3}, cpu: []float64{4}, peak: []float64{10}},
		{name: "two", form: "gzip", wall: []float64{1.5, 1.4, 1.6}, cpu: []float64{5}, peak: []float64{20}},
		{name: "three", form: "zstd", wall: []float64{1}, cpu: []float64{2}, peak: []float64{30}},
		{name: "four", form: "zstd", why: "no such file"},
	}
	var out bytes.Buffer
	printUnpack(&out, options{imageMB: 7, unpackRounds: 3}, list)
	fields := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{
		"an image of 7 MB", "one gzip 3.00 (1.00) 4.00 (1.00) 10 2.0..4.0", "two gzip 1.50 (0.50) 5.00 (1.25) 20 1.4..1.6",
		"three zstd 1.00 (1.00) 2.00 (1.00) 30 1.0..1.0", "not measured: four, zstd: no such file",
	} {
		if !strings.Contains(fields, want) {
			t.Errorf("the table lacks %q:\n%s", want, out.String())
		}
	}
}
