package main

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

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
