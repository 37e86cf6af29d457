package runtime

// Addresses that runcell adds to interfaces for a cell.

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"time"

	h "github.com/netbsd-cells/runcell/conformance/harness"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// leftAlone says why these do not apply on Linux.
const leftAlone = "the emulator leaves the host's interfaces alone"

const addressClause = "runcell: netbsd.cell.addresses"

// addresses gives a container addresses, "lo0=127.1.0.1/32,lo0=fd00::1/128".
func addresses(list string) mod { return h.Annotate("org.netbsd.cell.addresses", list) }

// onHost says whether an address is on an interface of the host, and usable.
func onHost(t *t, address string) bool {
	a := netip.MustParseAddr(address)
	domain, to := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Addr: a.As16()})
	if a.Is4() {
		domain, to = unix.AF_INET, &unix.SockaddrInet4{Addr: a.As4()}
	}
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM, 0)
	t.Must("open socket", err)
	defer func() { _ = unix.Close(fd) }()
	err = unix.Bind(fd, to)
	if err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
		t.Must("try "+address, err)
	}
	return err == nil
}

// wantOnHost compares.
func wantOnHost(t *t, want bool, when string, list ...string) {
	for _, a := range list {
		if got := onHost(t, a); got != want {
			t.Errorf("%s: %s is on the host: %v", when, a, got)
		}
	}
}

// only runs a container with addresses: it can bind to each, and not to other.
func only(t *t, config, other string, own ...string) {
	ops := []string{"bindto", other}
	for _, a := range own {
		ops = append(ops, ";", "bindto", netip.AddrPortFrom(netip.MustParseAddr(a), 7070).String())
	}
	wantOnHost(t, false, "before create", own...)
	c := t.Create(addresses(config), h.Do(ops...))
	wantOnHost(t, true, "after create", own...)
	c.Start()
	lines := c.Wait()
	t.Denied([]string{"EACCES"}, lines, "bindto", other)
	for _, a := range own {
		t.Succeeds(lines, "bindto", netip.AddrPortFrom(netip.MustParseAddr(a), 7070).String())
	}
	wantOnHost(t, true, "after the end", own...)
	c.Delete()
	wantOnHost(t, false, "after delete", own...)
}

var networks = []h.Case{
	{
		Name: "network/abstract", Clause: "config-linux.md Network; attack: abstract sockets of the host, as containerd's were (CVE-2020-15257)", OS: linux,
		Else: "NetBSD's local sockets have names in the file system only",
		Does: "a container without a network reaches no abstract socket of the host, and those of its own root", Run: func(t *t) {
			name := "@conformance-" + t.Token
			abstract, err := net.Listen("unix", name)
			t.Must("listen", err)
			t.Cleanup(func() { _ = abstract.Close() })
			named, err := net.Listen("unix", t.Path("socket"))
			t.Must("listen", err)
			t.Cleanup(func() { _ = named.Close() })
			c := t.CreateFrom(t.Bundle(func(s *specs.Spec) {
				s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.NetworkNamespace})
			}, h.Bind(t.Path("socket"), "/tmp/socket"), h.Do("connect", name, ";", "connect", "/tmp/socket", ";", "signals")))
			c.Start()
			c.WaitLine("ready")
			refused := []string{"ECONNREFUSED", "EPERM"}
			t.Denied(refused, c.Lines(), "connect", name)
			t.Succeeds(c.Lines(), "connect", "/tmp/socket")
			lines := h.ParseLines(t.OK("exec", c.ID, h.ProbePath, "connect", name).Stdout)
			t.Denied(refused, lines, "connect", name)
		},
	},
	{
		Name: "network/ipv4", Clause: addressClause, OS: netbsd, Else: leftAlone,
		Does: "an IPv4 address is on the interface from create to delete, and the only one to bind to", Run: func(t *t) {
			only(t, "lo0=127.66.0.1/32", "127.0.0.1:7070", "127.66.0.1")
		},
	},
	{
		Name: "network/ipv6", Clause: addressClause, OS: netbsd, Else: leftAlone,
		Does: "an IPv6 address is on the interface from create to delete, and the only one to bind to", Run: func(t *t) {
			only(t, "lo0=fd66::1/128", "[::1]:7070", "fd66::1")
		},
	},
	{
		Name: "network/ethernet", Clause: addressClause, OS: netbsd, Else: leftAlone,
		Does: "addresses on an Ethernet interface can be used when create returns", Run: func(t *t) {
			makeTap(t, 66)
			only(t, "tap66=198.51.100.10/24,tap66=2001:db8:66::10/64", "127.0.0.1:7070", "198.51.100.10", "2001:db8:66::10")
		},
	},
	{
		Name: "network/shared", Clause: addressClause, OS: netbsd, Else: leftAlone,
		Does: "an address of two containers stays until the second is deleted", Run: func(t *t) {
			with := addresses("lo0=127.66.0.2/32")
			one, two := t.Create(h.Idle, with), t.Create(with, h.Do("bindto", "127.66.0.2:7071"))
			t.OK("delete", one.ID)
			wantOnHost(t, true, "one is left", "127.66.0.2")
			two.Start()
			t.Succeeds(two.Wait(), "bindto")
			two.Delete()
			wantOnHost(t, false, "none is left", "127.66.0.2")
		},
	},
	{
		Name: "network/there-before", Clause: addressClause, OS: netbsd, Else: leftAlone,
		Does: "an address that the host had before is left there", Run: func(t *t) {
			c := t.Create(h.Idle, addresses("lo0=127.0.0.1/8"))
			t.OK("delete", "--force", c.ID)
			wantOnHost(t, true, "after delete", "127.0.0.1")
			t.OK("recover")
			wantOnHost(t, true, "after recover", "127.0.0.1")
		},
	},
	{
		Name: "network/no-interface", Clause: addressClause, OS: netbsd, Else: leftAlone,
		Does: "an interface that is not there is an error that names it; the other addresses go again", Run: func(t *t) {
			r := refusedCreate(t, t.Bundle(h.Idle, addresses("lo0=127.66.0.3/32,none9=127.66.0.4/32")))
			checkText(t, r, "none9")
			checkText(t, r, "no such interface")
			wantOnHost(t, false, "after create", "127.66.0.3", "127.66.0.4")
		},
	},
	{
		Name: "network/killed", Clause: "runcell(8): recover", OS: netbsd, Else: leftAlone, Timeout: 120 * time.Second,
		Does: "no address is left by a create or a delete that was killed, once recover has run", Run: killedWithAddress,
	},
	{
		Name: "network/explain", Clause: addressClause, OS: netbsd, Else: leftAlone,
		Does: "explain tells that the address is added and taken away", Run: func(t *t) {
			r := t.OK("explain", "--json", t.Bundle(addresses("lo0=127.66.0.6/32")).Dir)
			if !strings.Contains(r.Stdout, "lo0=127.66.0.6/32") || !strings.Contains(r.Stdout, "taken away") {
				t.Errorf("want the address, and that it is taken away: %s", r)
			}
			wantOnHost(t, false, "after explain", "127.66.0.6")
		},
	},
}

// killedWithAddress kills create, and delete, after growing times.
func killedWithAddress(t *t) {
	const address = "127.66.0.5"
	b := t.Bundle(h.Idle, addresses("lo0="+address+"/32"))
	for after := 2 * time.Millisecond; after < 200*time.Millisecond; after *= 2 {
		id := t.ID()
		p := t.Begin(call{Args: []string{"create", "--bundle", b.Dir, id}})
		time.Sleep(after)
		p.Signal(9)
		p.Wait()
		t.OK("recover")
		if r := t.Try("state", id); r.Code == 0 && strings.Contains(r.Stdout, `"created"`) {
			wantOnHost(t, true, "create was finished", address) // and can be deleted
		} else {
			wantOnHost(t, false, "create was killed", address)
			t.OK("create", "--bundle", b.Dir, id)
		}
		p = t.Begin(call{Args: []string{"delete", "--force", id}})
		time.Sleep(after)
		p.Signal(9)
		p.Wait()
		t.OK("delete", "--force", id)
		wantOnHost(t, false, "delete was killed and repeated", address)
	}
}
