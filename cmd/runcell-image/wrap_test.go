package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// holes is an archive of a few blocks, one of whose files is large.
func holes(t testing.TB, name string) []byte {
	t.Helper()
	records := ""
	for _, r := range []string{"GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=" + name, "GNU.sparse.realsize=1073741824"} {
		n := len(r) + len("00 \n")
		records += strconv.Itoa(n) + " " + r + "\n"
	}
	block := func(typeflag byte, size int, body string) []byte {
		h := make([]byte, 512)
		copy(h, "x")
		copy(h[100:], "0000600\x00")
		copy(h[124:], fmt.Sprintf("%011o ", size))
		copy(h[148:], "        ")
		h[156] = typeflag
		copy(h[257:], "ustar\x0000")
		sum := 0
		for _, c := range h {
			sum += int(c)
		}
		copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
		return slices.Concat(h, []byte(body), make([]byte, 512-len(body)%512))
	}
	return slices.Concat(block('x', len(records), records), block('0', 512, "0\n"), make([]byte, 1024))
}

func TestReadTarRefusesHoles(t *testing.T) {
	dir := t.TempDir()
	err := readTar(t.Context(), bytes.NewReader(holes(t, "config.json")), dir)
	if err == nil || !strings.Contains(err.Error(), "holes") {
		t.Errorf("a file with holes: %v", err)
	}
	if list, _ := os.ReadDir(dir); len(list) > 0 {
		t.Errorf("it was unpacked: %v", list)
	}
}

// An archive from somewhere writes where it may, or is refused.
func FuzzReadTar(f *testing.F) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range []string{"web.cell", "layout/index.json", "../x"} {
		_ = w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: 1})
		_, _ = w.Write([]byte("x"))
	}
	_ = w.Close()
	f.Add(b.Bytes())
	f.Add(holes(f, "web.cell"))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		if err := os.Mkdir(dir+"/in", 0o700); err != nil {
			t.Fatal(err)
		}
		_ = readTar(t.Context(), bytes.NewReader(data), dir+"/in")
		list, err := filepath.Glob(dir + "/*")
		if err != nil || len(list) != 1 {
			t.Errorf("beside the directory there are %q, %v", list, err)
		}
	})
}
