package sysctl

import (
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/netbsd-cells/runcell/kmod/stage"
)

// reply is what a node says once: how long it is, or an errno.
type reply struct {
	n   int
	err error
}

// replies is a kernel that says these things, one after the other.
type replies struct{ list []reply }

func (r *replies) sysctl([]int32, []byte, []byte) (int, error) {
	if len(r.list) == 0 {
		return 0, errors.New("asked once more")
	}
	next := r.list[0]
	r.list = r.list[1:]
	return next.n, next.err
}

func (*replies) fork(*stage.Program) (child, error) { return nil, syscall.ENOSYS }
func (*replies) watch(int) (watch, error)           { return nil, syscall.ENOSYS }

// A kernel runs programs of its own machine, those of its narrow one, and what it
// emulates of both.
func TestPlatforms(t *testing.T) {
	for _, c := range []struct{ arch, emul, want string }{
		{"amd64", "", "netbsd/amd64 netbsd/386"},
		{"amd64", "linux", "netbsd/amd64 linux/amd64 netbsd/386"},
		{"amd64", "linux linux32 netbsd32", "netbsd/amd64 linux/amd64 netbsd/386 linux/386"},
		{"arm64", "linux linux32", "netbsd/arm64 linux/arm64 netbsd/arm linux/arm"},
		{"386", "linux linux32", "netbsd/386 linux/386"},
	} {
		k := newFake()
		k.emul = strings.Fields(c.emul)
		if got, err := platforms(k, c.arch); err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%s with %q runs %v, %v; want %s", c.arch, c.emul, got, err, c.want)
		}
	}
}

// A node is read with some room to grow, again when that was not enough, and not
// for ever.
func TestReadAll(t *testing.T) {
	full := reply{0, syscall.ENOMEM}
	for what, c := range map[string]struct {
		says []reply
		want int
		err  error
	}{
		"as long as it was":                 {[]reply{{8, nil}, {8, nil}}, 8, nil},
		"as long as there is room":          {[]reply{{8, nil}, {10, nil}}, 10, nil},
		"longer, which only the length has": {[]reply{{8, nil}, {11, nil}, {12, nil}, {12, nil}}, 12, nil},
		"longer, which the errno tells":     {[]reply{{8, nil}, full, {12, nil}, {12, nil}}, 12, nil},
		"nothing":                           {[]reply{{0, nil}}, 0, nil},
		"no length":                         {[]reply{{0, syscall.EPERM}}, 0, syscall.EPERM},
		"no content":                        {[]reply{{8, nil}, {0, syscall.EPERM}}, 0, syscall.EPERM},
		"no content, and a length":          {[]reply{{8, nil}, {11, syscall.EPERM}}, 0, syscall.EPERM},
		"longer each time":                  {slices.Repeat([]reply{{8, nil}, full}, 16), 0, syscall.ENOMEM},
	} {
		k := &replies{c.says}
		b, err := readAll(k, []int32{1}, nil)
		if len(b) != c.want || !errors.Is(err, c.err) || len(k.list) != 0 {
			t.Errorf("%s: %d bytes, %v, with %d replies left; want %d, %v", what, len(b), err, len(k.list), c.want, c.err)
		}
	}
}
