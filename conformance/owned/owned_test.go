package owned

import (
	"encoding/binary"
	"maps"
	"slices"
	"testing"
)

func TestWithin(t *testing.T) {
	for _, tt := range []struct {
		path, dir string
		want      bool
	}{
		{"/a", "/a", true},
		{"/a/b", "/a", true},
		{"/ab", "/a", false},
		{"/", "/a", false},
		{"/a", "/", true},
	} {
		if got := Within(tt.path, tt.dir); got != tt.want {
			t.Errorf("Within(%q, %q) = %v; want %v", tt.path, tt.dir, got, tt.want)
		}
	}
}

func TestMore(t *testing.T) {
	for _, tt := range []struct{ before, after, want []string }{
		{nil, nil, nil},
		{[]string{"/"}, []string{"/"}, nil},
		{[]string{"/"}, []string{"/", "/mnt"}, []string{"/mnt"}},
		{[]string{"/", "/mnt"}, []string{"/", "/mnt", "/mnt"}, []string{"/mnt"}},
		{[]string{"/", "/gone"}, []string{"/"}, nil},
	} {
		if got := More(tt.before, tt.after); !slices.Equal(got, tt.want) {
			t.Errorf("More(%q, %q) = %q; want %q", tt.before, tt.after, got, tt.want)
		}
	}
}

// TestProbesIn lays out kern.proc2 elements as NetBSD does.
func TestProbesIn(t *testing.T) {
	element := func(pid uint32, status byte, comm string) []byte {
		b := make([]byte, kinfoSize)
		binary.NativeEndian.PutUint32(b[kinfoPid:], pid)
		b[kinfoStatus] = status
		copy(b[kinfoComm:], comm)
		return b
	}
	list := slices.Concat(element(1, 2, "init"), element(700, 2, "probe"), element(701, zombie, "probe"), element(702, 3, "probes"), []byte("short"))
	if got, want := namedIn(list, "probe"), map[int]string{700: "probe"}; !maps.Equal(got, want) {
		t.Errorf("namedIn = %v; want %v", got, want)
	}
}

func FuzzProbesIn(f *testing.F) {
	f.Add(make([]byte, kinfoSize))
	f.Fuzz(func(t *testing.T, list []byte) {
		if got := namedIn(list, "probe"); len(got) > len(list)/kinfoSize {
			t.Errorf("%d processes in %d bytes", len(got), len(list))
		}
	})
}
