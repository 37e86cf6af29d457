package archive

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/image/internal/imagetest"
)

func TestEntries(t *testing.T) {
	data := imagetest.Tar(t, imagetest.Entry{Name: "d/"}, imagetest.Entry{Name: "../a", Body: "one"}, imagetest.Entry{Name: "b\x1b", Body: "two"})
	var got []string
	read := func(hdr *tar.Header, content io.Reader) error {
		body, err := io.ReadAll(content)
		got = append(got, hdr.Name+"="+string(body))
		return err
	}
	if err := Entries(bytes.NewReader(data), read); err != nil || !slices.Equal(got, []string{"d/=", "../a=one", "b\x1b=two"}) {
		t.Errorf("entries are %q, %v", got, err)
	}
	pass := func(*tar.Header, io.Reader) error { return nil }
	if err := Entries(bytes.NewReader(data[:2*512+1]), pass); err == nil || !strings.Contains(err.Error(), `after "../a"`) {
		t.Errorf("a torn archive: %v; want the entry before", err)
	}
	bad := errors.New("bad")
	if err := Entries(bytes.NewReader(data), func(*tar.Header, io.Reader) error { return bad }); !errors.Is(err, bad) {
		t.Errorf("error is %v; want that of the function", err)
	}
}

// The bytes of a file are where Files says.
func TestFiles(t *testing.T) {
	data := imagetest.Tar(t, imagetest.Entry{Name: "a", Body: "one"}, imagetest.Entry{Name: "b", Body: strings.Repeat("two", 1000)}, imagetest.Entry{Name: "c", Body: "three"})
	err := Files(bytes.NewReader(data), func(hdr *tar.Header, at Part) error {
		if got := string(data[at.Offset : at.Offset+at.Size]); !strings.HasPrefix(got, map[string]string{"a": "one", "b": "twotwo", "c": "three"}[hdr.Name]) {
			t.Errorf("%s holds %.20q", hdr.Name, got)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	bad := errors.New("bad")
	if err := Files(bytes.NewReader(data), func(*tar.Header, Part) error { return bad }); !errors.Is(err, bad) || !strings.HasPrefix(err.Error(), "read archive: ") {
		t.Errorf("error is %v", err)
	}
}
