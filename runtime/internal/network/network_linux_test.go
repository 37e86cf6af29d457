package network

// The book of addresses, with interfaces that are a map.

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/kmod/flock"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
)

// fakeNet has addresses on interfaces. At the step that fails it panics, which
// stands for SIGKILL.
type fakeNet struct {
	on     map[string]bool // "wm0 192.0.2.1"
	killAt string
}

var errKilled = errors.New("killed")

func (f *fakeNet) step(name string) {
	if f.killAt == name {
		f.killAt = ""
		panic(errKilled)
	}
}

func key(a oci.Address) string { return a.Interface + " " + a.Prefix.Addr().String() }

func (f *fakeNet) has(a oci.Address) (bool, error) {
	if a.Interface == "none0" {
		return false, errors.New("no such interface")
	}
	return f.on[key(a)], nil
}

func (f *fakeNet) usable(a netip.Addr) (bool, error) {
	for k := range f.on {
		if strings.HasSuffix(k, " "+a.String()) {
			return true, nil
		}
	}
	return false, nil
}

func (f *fakeNet) add(a oci.Address) error {
	f.step("before add")
	if f.on[key(a)] {
		return fmt.Errorf("%s is there already", key(a))
	}
	f.on[key(a)] = true
	f.step("after add")
	return nil
}

func (f *fakeNet) remove(a oci.Address) error {
	f.step("before remove")
	delete(f.on, key(a))
	f.step("after remove")
	return nil
}

func (f *fakeNet) list() string {
	var all []string
	for k := range f.on {
		all = append(all, k)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// netTest is a book with a fake, and what a test does with it.
type netTest struct {
	*testing.T
	r   *Addresses
	net *fakeNet
}

func newNetTest(t *testing.T, before ...string) netTest {
	f := &fakeNet{on: map[string]bool{}}
	for _, k := range before {
		f.on[k] = true
	}
	return netTest{t, &Addresses{root: t.TempDir(), net: f}, f}
}

func (t netTest) hold(id string, list ...string) error {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(t.r.root, id), 0o700); err != nil {
		t.Fatal(err)
	}
	var all []oci.Address
	for _, s := range list {
		iface, prefix, _ := strings.Cut(s, "=")
		a, err := oci.ParseAddress(iface, prefix)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, a)
	}
	return t.r.add(context.Background(), id, all)
}

func (t netTest) mustHold(id string, list ...string) {
	t.Helper()
	if err := t.hold(id, list...); err != nil {
		t.Fatalf("hold for %s: %v", id, err)
	}
}

func (t netTest) drop(id string) {
	t.Helper()
	if err := t.r.Drop(id); err != nil {
		t.Fatalf("drop of %s: %v", id, err)
	}
}

// want compares the addresses that are there, and that the file is when
// containers have some.
func (t netTest) want(on string, file bool) {
	t.Helper()
	if got := t.net.list(); got != on {
		t.Errorf("addresses are %q, want %q", got, on)
	}
	if _, err := os.Lstat(t.r.file()); (err == nil) != file {
		t.Errorf("the file is there: %v, want %v", err == nil, file)
	}
}

func (t netTest) killed(at string, f func()) {
	t.Helper()
	defer func() {
		if got, ok := recover().(error); !ok || !errors.Is(got, errKilled) {
			t.Fatalf("%s: got %v, want it killed", at, got)
		}
	}()
	t.net.killAt = at
	f()
}

func TestAddressesShared(t *testing.T) {
	n := newNetTest(t, "wm0 192.0.2.1")
	n.mustHold("a", "wm0=192.0.2.1/24", "wm0=192.0.2.2/24", "wm0=2001:db8::1/64")
	n.mustHold("b", "wm0=192.0.2.2/24")
	n.mustHold("b", "wm0=192.0.2.2/24") // twice is once
	n.want("wm0 192.0.2.1, wm0 192.0.2.2, wm0 2001:db8::1", true)
	n.drop("a")
	n.drop("a")
	n.want("wm0 192.0.2.1, wm0 192.0.2.2", true)
	n.drop("b")
	n.want("wm0 192.0.2.1", false)
	n.drop("b")
}

func TestAddressesRefused(t *testing.T) {
	n := newNetTest(t, "wm0 192.0.2.1")
	n.mustHold("a", "wm0=192.0.2.2/24")
	for _, c := range []struct{ address, want string }{
		{"wm1=192.0.2.1/24", "another interface"},
		{"wm1=192.0.2.2/24", "another interface"},
		{"wm0=192.0.2.2/32", `"a" has it as 192.0.2.2/24`},
		{"none0=192.0.2.3/24", "no such interface"},
	} {
		if err := n.hold("b", c.address); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.address, err, c.want)
		}
		n.drop("b")
	}
	n.want("wm0 192.0.2.1, wm0 192.0.2.2", true)
}

func TestAddressTakenMeanwhile(t *testing.T) {
	n := newNetTest(t, "wm0 192.0.2.1")
	n.mustHold("a", "wm0=192.0.2.1/24", "wm0=192.0.2.2/24")
	clear(n.net.on) // the host's admin removes both
	n.mustHold("b", "wm0=192.0.2.1/24", "wm0=192.0.2.2/24")
	n.want("wm0 192.0.2.1, wm0 192.0.2.2", true)
	n.drop("a")
	n.drop("b")
	n.want("", false)
}

func TestAddressesAfterKill(t *testing.T) {
	for _, at := range []string{"before add", "after add"} {
		n := newNetTest(t)
		n.killed(at, func() { _ = n.hold("a", "wm0=192.0.2.2/24", "wm0=192.0.2.3/24") })
		if done, err := n.r.Recover(); err != nil || len(done) > 0 {
			t.Errorf("%s: recover = %q, %v while the container is there", at, done, err)
		}
		if err := os.RemoveAll(filepath.Join(n.r.root, "a")); err != nil {
			t.Fatal(err)
		}
		if done, err := n.r.Recover(); err != nil || len(done) != 2 {
			t.Errorf("%s: recover = %q, %v", at, done, err)
		}
		n.want("", false)
	}
	for _, at := range []string{"before remove", "after remove"} {
		n := newNetTest(t)
		n.mustHold("a", "wm0=192.0.2.2/24", "wm0=192.0.2.3/24")
		n.killed(at, func() { n.drop("a") })
		n.drop("a")
		n.want("", false)
	}
}

// TestAddressesOfAnotherBoot: what is on an interface then is the host's.
func TestAddressesOfAnotherBoot(t *testing.T) {
	n := newNetTest(t, "wm0 192.0.2.2")
	book := addressBook{Boot: 1, Addresses: []bookEntry{{
		Address: oci.Address{Interface: "wm0", Prefix: netip.MustParsePrefix("192.0.2.2/24")}, Ours: true, Users: []string{"a"},
	}}}
	if err := sys.WriteJSON(sys.ReplaceFile, n.r.file(), book); err != nil {
		t.Fatal(err)
	}
	if done, err := n.r.Recover(); err != nil || len(done) > 0 {
		t.Errorf("recover = %q, %v", done, err)
	}
	n.want("wm0 192.0.2.2", false)
}

// Whoever waits for the book can be stopped.
func TestWaitEnds(tt *testing.T) {
	t := newNetTest(tt)
	held, err := os.Open(t.r.root)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := flock.Lock(t.Context(), int(held.Fd()), flock.Exclusive); err != nil {
		t.Fatal(err)
	}
	stopped := errors.New("stopped")
	ctx, stop := context.WithCancelCause(t.Context())
	defer time.AfterFunc(20*time.Millisecond, func() { stop(stopped) }).Stop()
	if err := t.r.Hold(ctx, "c", nil); !errors.Is(err, stopped) {
		t.Errorf("error is %v; want %v", err, stopped)
	}
}
