package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
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
// A pipe that gives nothing, or stops giving, is waited for until somebody has enough.
func TestReadExportFromPipe(t *testing.T) {
	fifo, enough := filepath.Join(t.TempDir(), "fifo"), errors.New("enough")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	begin := func() { go func() { done <- readExport(ctx, fifo, t.TempDir()) }() }
	begin()
	cancel(enough)
	if err := <-done; !errors.Is(err, enough) {
		t.Errorf("nobody writes: %v", err)
	}
	w, err := os.OpenFile(fifo, os.O_RDWR, 0) // which lets the reader of before go on, too
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	ctx, cancel = context.WithCancelCause(t.Context())
	begin()
	if _, err := w.WriteString("half a header"); err != nil {
		t.Fatal(err)
	}
	cancel(enough)
	if err := <-done; !errors.Is(err, enough) {
		t.Errorf("somebody stops writing: %v", err)
	}
}

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
