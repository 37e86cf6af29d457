package oci

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
)

func TestParsePort(t *testing.T) {
	v4, v6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	for s, want := range map[string]kmod.Port{
		"8080":                    {Port: 8080},
		"8080/udp":                {Port: 8080, Proto: "udp"},
		"192.0.2.1:80/tcp":        {Port: 80, Addr: v4, Proto: "tcp"},
		"[2001:db8::1]:80":        {Port: 80, Addr: v6},
		"[::ffff:192.0.2.1]:80":   {Port: 80, Addr: v4},
		"0.0.0.0:80":              {Port: 80},
		"[::]:80":                 {Port: 80},
		"65535":                   {Port: 65535},
		"[2001:0db8:0::1]:80/tcp": {Port: 80, Addr: v6, Proto: "tcp"},
	} {
		got, err := ParsePort(s)
		if err != nil || got != want {
			t.Errorf("ParsePort(%q) = %+v, %v; want %+v", s, got, err, want)
		}
		if again, err := ParsePort(PortString(got)); err != nil || again != got {
			t.Errorf("ParsePort(%q) = %+v, %v; want %+v again", PortString(got), again, err, got)
		}
	}
	for _, s := range []string{
		"", "0", "65536", "-1", "+80", "http", "80/sctp", "80/", "/tcp", ":80", "192.0.2.1:", "192.0.2.1", "2001:db8::1:80",
		"[192.0.2.1]:80", "[2001:db8::1]80", "[2001:db8::1%wm0]:80", "[]:80", "80:90", "192.0.2.1:80/tcp/udp", " 80", "8_0", "080x",
	} {
		if got, err := ParsePort(s); err == nil || !strings.HasPrefix(err.Error(), "port ") {
			t.Errorf("ParsePort(%q) = %+v, %v; want an error that says it is a port", s, got, err)
		}
	}
}

func TestParseAddress(t *testing.T) {
	for s, want := range map[string]string{
		"wm0=192.0.2.10/24": "wm0=192.0.2.10/24", "lo0=::1/128": "lo0=::1/128", "vlan0.5=2001:DB8::1/64": "vlan0.5=2001:db8::1/64",
	} {
		if a, err := ParseAddressPair(s); err != nil || a.String() != want {
			t.Errorf("ParseAddressPair(%q) = %s, %v; want %s", s, a, err, want)
		}
	}
	for _, s := range []string{
		"", "wm0", "wm0=", "=192.0.2.1/24", "wm0=192.0.2.1", "wm0=192.0.2.1/33", "wm0=0.0.0.0/0", "wm0=224.0.0.1/24", "wm0=::ffff:1.2.3.4/120",
		"wm 0=192.0.2.1/24", "an-interface-name=192.0.2.1/24", "wm0;reboot=192.0.2.1/24", "wm0=fe80::1%wm0/64",
	} {
		if a, err := ParseAddressPair(s); err == nil {
			t.Errorf("ParseAddressPair(%q) = %s; want an error", s, a)
		}
	}
}

// TestSectionAndAnnotations: both say the same things.
func TestSectionAndAnnotations(t *testing.T) {
	section := compile(t, minimal(`"netbsd":{"cell":{"profile":"medium","permissions":["time","-chown"],"reservedPorts":["8080","192.0.2.10:80/tcp"],`+
		`"addresses":[{"interface":"wm0","address":"192.0.2.10/24"}],"network":"addresses","maxProcesses":5}}`), ourModule())
	annotations := compile(t, minimal(`"annotations":{"org.netbsd.cell.profile":"medium","org.netbsd.cell.permissions":"time, -chown",`+
		`"org.netbsd.cell.reserved-ports":"8080,192.0.2.10:80/tcp","org.netbsd.cell.addresses":"wm0=192.0.2.10/24",`+
		`"org.netbsd.cell.network":"addresses","org.netbsd.cell.max-processes":"5"}`), ourModule())
	section.Cell.Grants, annotations.Cell.Grants = nil, nil
	if !reflect.DeepEqual(section.Cell, annotations.Cell) {
		t.Errorf("section %+v\nannotations %+v", section.Cell, annotations.Cell)
	}
	want := Cell{
		Profile: policy.Medium, Permissions: policy.Defaults(policy.Medium).With(policy.Time).Without(policy.Chown),
		Ports:     []kmod.Port{{Port: 8080}, {Port: 80, Addr: netip.MustParseAddr("192.0.2.10"), Proto: "tcp"}},
		Addresses: []Address{{"wm0", netip.MustParsePrefix("192.0.2.10/24")}}, Network: kmod.NetworkAddresses, MaxProcesses: 5,
	}
	if !reflect.DeepEqual(section.Cell, want) {
		t.Errorf("cell %+v\nwant %+v", section.Cell, want)
	}
	if w := section.Warnings(); len(w) > 0 {
		t.Errorf("unexpected warnings: %v", w)
	}
}

func TestDefaultsOfACell(t *testing.T) {
	c := compile(t, minimal(""), ourModule()).Cell
	want := Cell{Profile: policy.High, Permissions: policy.Defaults(policy.High), Network: kmod.NetworkHost}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("cell %+v; want %+v", c, want)
	}
}

func TestCellRefusals(t *testing.T) {
	for text, want := range map[string]string{
		`"netbsd":{"cell":{"profile":"lax"}}`:                   `netbsd.cell.profile "lax": unknown profile; use low, medium or high`,
		`"netbsd":{"cell":{"permissions":["time","fly"]}}`:      `netbsd.cell.permissions[1]: unknown permission "fly"`,
		`"netbsd":{"cell":{"permissions":["time","-time"]}}`:    `netbsd.cell.permissions time: opened and closed at the same time`,
		`"netbsd":{"cell":{"reservedPorts":["80","x"]}}`:        `netbsd.cell.reservedPorts[1]: port "x"`,
		`"netbsd":{"cell":{"reservedPorts":["80","80"]}}`:       `netbsd.cell.reservedPorts[1] "80": given twice`,
		`"netbsd":{"cell":{"network":"bridge"}}`:                `netbsd.cell.network: unknown network "bridge" (use host, addresses or none)`,
		`"netbsd":{"cell":{"network":"addresses"}}`:             `netbsd.cell.network addresses: the cell has none; add netbsd.cell.addresses`,
		`"netbsd":{"cell":{"addresses":[{"interface":"wm0"}]}}`: `netbsd.cell.addresses[0]: "" is not an address with its prefix length`,
		`"netbsd":{"cell":{"addresses":[{"interface":"wm0","address":"192.0.2.1/24"},{"interface":"wm1","address":"192.0.2.1/32"}]}}`: `wm1=192.0.2.1/32: given twice`,
		`"netbsd":{"cell":{"network":"none","addresses":[{"interface":"wm0","address":"192.0.2.1/24"}]}}`:                             `netbsd.cell.addresses wm0=192.0.2.1/24: the cell could not use them: netbsd.cell.network says none`,
		`"netbsd":{"cell":{"network":"host"}},"linux":{"namespaces":[{"type":"network"}]}`:                                            `netbsd.cell.network host: linux.namespaces[0] asks for a network of the container's own; remove one of the two`,
		`"netbsd":{"cell":{"network":"none","permissions":["inet"]}}`:                                                                 `netbsd.cell.permissions[0] inet: contradicts the network none of netbsd.cell.network: none`,
		`"annotations":{"org.netbsd.cell.profile":"low"},"netbsd":{"cell":{"profile":"high"}}`:                                        `netbsd.cell.profile high: disagrees with annotations.org.netbsd.cell.profile; keep one of the two`,
		`"annotations":{"org.netbsd.cell.reserved-ports":"81"},"netbsd":{"cell":{"reservedPorts":["80"]}}`:                            `netbsd.cell.reservedPorts 80: disagrees with annotations.org.netbsd.cell.reserved-ports`,
		`"annotations":{"org.netbsd.cell.max-processes":"many"}`:                                                                      `annotations.org.netbsd.cell.max-processes "many": must be a number`,
		`"annotations":{"org.netbsd.cell.permissions":""}`:                                                                            `annotations.org.netbsd.cell.permissions: unknown permission ""`,
		`"annotations":{"org.netbsd.cell.addresses":"192.0.2.1/24"}`:                                                                  `annotations.org.netbsd.cell.addresses: "192.0.2.1/24" is not of the form interface=address/prefix`,
	} {
		_, err := Compile(load(t, minimal(text)), ourModule())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: Compile = %v; want an error with %q", text, err, want)
		}
	}
	var ports []string
	for i := range kmod.MaxPorts + 1 {
		ports = append(ports, `"`+PortString(kmod.Port{Port: uint16(i + 1)})+`"`)
	}
	_, err := Compile(load(t, minimal(`"netbsd":{"cell":{"reservedPorts":[`+strings.Join(ports, ",")+`]}}`)), ourModule())
	if err == nil || !strings.Contains(err.Error(), "33 ports: a cell can reserve 32") {
		t.Errorf("33 ports: Compile = %v", err)
	}
}

func TestSectionAndAnnotationMayAgree(t *testing.T) {
	p := compile(t, minimal(`"annotations":{"org.netbsd.cell.reserved-ports":"80,81"},"netbsd":{"cell":{"reservedPorts":["81","80"]}}`), ourModule())
	if len(p.Cell.Ports) != 2 || len(p.Warnings()) != 0 {
		t.Errorf("ports %v, warnings %v", p.Cell.Ports, p.Warnings())
	}
}

// What is misspelt would leave a cell open that was to be closed. What is
// another's extension is told and ignored.
func TestMisspeltSettings(t *testing.T) {
	// with is minimal, but for the objects that the text has itself.
	with := func(text string) string {
		for _, own := range []string{`"root":{"path":"rootfs"}`, `"process":{"args":["/a"],"cwd":"/"}`} {
			if name, _, _ := strings.Cut(own, "{"); !strings.HasPrefix(text, name) {
				text += "," + own
			}
		}
		return `{"ociVersion":"1.3.0",` + text + "}"
	}
	for text, want := range map[string]string{
		`"annotations":{"org.netbsd.cell.port":"80"}`:                   "annotations.org.netbsd.cell.port \"80\": no such setting; there are profile, permissions, reserved-ports,",
		`"annotations":{"org.netbsd.cell.reserved-port":"80"}`:          "did you mean org.netbsd.cell.reserved-ports?",
		`"annotations":{"org.netbsd.cells.profile":"high"}`:             "looks like org.netbsd.cell.profile",
		`"annotations":{"org.netbds.cell.network":"none"}`:              "looks like org.netbsd.cell.network",
		`"netbds":{"cell":{"network":"none"}}`:                          "netbds: unknown field; did you mean netbsd?",
		`"NetBSD":{"cell":{"network":"none"}}`:                          "NetBSD: unknown field; did you mean netbsd?",
		`"netbsd":{"cel":{"network":"none"}}`:                           "netbsd.cel: unknown field; did you mean cell?",
		`"netbsd":{"jail":{}}`:                                          "netbsd.jail: unknown field; there are cell, devices",
		`"netbsd":{"cell":{"networks":"none"}}`:                         "netbsd.cell.networks: unknown field; did you mean network?",
		`"netbsd":{"cell":{"x":1}}`:                                     "netbsd.cell.x: unknown field; there are profile, permissions,",
		`"netbsd":{"devices":[{"path":"/dev/null","mod":1}]}`:           "netbsd.devices[0].mod: unknown field; did you mean mode?",
		`"annotations":{"Org.NetBSD.cell.network":"none"}`:              "looks like org.netbsd.cell.network",
		`"linux":{"resources":{"rdma":{"mlx5.0":{"hcaHandle":1}}}}`:     "linux.resources.rdma.mlx5.0.hcaHandle: unknown field; did you mean hcaHandles?",
		`"root":{"path":"r","readOnly":true}`:                           "root.readOnly: unknown field; did you mean readonly?",
		`"linux":{"maskedPath":["/x"]}`:                                 "linux.maskedPath: unknown field; did you mean maskedPaths?",
		`"process":{"args":["/a"],"cwd":"/","capabilitie":{}}`:          "process.capabilitie: unknown field; did you mean capabilities?",
		`"process":{"args":["/a"],"cwd":"/","user":{"username":"web"}}`: `process.user.username "web": names are not looked up, and process.user.uid is 0`,
	} {
		cfg, err := Load(strings.NewReader(with(text)))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if _, err := Compile(cfg, ourModule()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: Compile = %v; want an error with %q", text, err, want)
		}
	}
	for text, field := range map[string]string{
		`"annotations":{"org.example.x":"y","org.netbsd.other":"z"}`:            "",
		`"com.example.unknown":{"netbds":1}`:                                    `"com.example.unknown"`,
		`"process.args":["/b"]`:                                                 `"process.args"`,
		`"netbsd.org":{}`:                                                       `"netbsd.org"`,
		`"netbsd.cell.profile":"low"`:                                           `"netbsd.cell.profile"`,
		`"linux":{"future":1}`:                                                  "linux.future",
		`"process":{"args":["/a"],"cwd":"/","user":{"uid":7,"username":"web"}}`: "process.user.username",

		`"process":{"args":["/a"],"cwd":"/","user":{"uid":0,"gid":0,"username":"root"}}`: "process.user.username",
	} {
		w := compile(t, with(text), ourModule()).Warnings()
		if field == "" && len(w) != 0 || field != "" && (len(w) != 1 || w[0].Field != field) {
			t.Errorf("%s: warnings %v; want one of %q", text, w, field)
		}
	}
}

func TestMisspeltProcess(t *testing.T) {
	_, err := LoadProcess(strings.NewReader(`{"args":["/a"],"usr":{},"user":{"uid":1,"umsk":7}}`))
	if err == nil || !strings.Contains(err.Error(), "did you mean user?") {
		t.Errorf("LoadProcess = %v; want an error that names user", err)
	}
	if _, err := LoadProcess(strings.NewReader(`{"args":["/a"],"example":{}}`)); err != nil {
		t.Errorf("LoadProcess of another's extension = %v", err)
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"a", "", 1},
		{"netbds", "netbsd", 1},
		{"ab", "ba", 1},
		{"mode", "mod", 1},
		{"mode", "made", 1},
		{"profiel", "profile", 1},
		{"kitten", "sitten", 1},
		{"kitten", "sittin", 2},
		{"abcd", "badc", 2},
		{"abcdef", "a", 3},
		{"a", "abcdef", 3},
	} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("distance(%q, %q) = %d; want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestNetwork(t *testing.T) {
	const path = `"linux":{"namespaces":[{"type":"network","path":"/n"}]}`
	const own = `"linux":{"namespaces":[{"type":"network"}]}`
	const addr = `"netbsd":{"cell":{"addresses":[{"interface":"wm0","address":"192.0.2.1/24"}]}}`
	for text, want := range map[string]kmod.Network{
		``:                                     kmod.NetworkHost,
		own:                                    kmod.NetworkNone,
		addr:                                   kmod.NetworkAddresses,
		own + "," + addr:                       kmod.NetworkAddresses,
		path + "," + addr:                      kmod.NetworkAddresses,
		`"netbsd":{"cell":{"network":"none"}}`: kmod.NetworkNone,
		path + `,"netbsd":{"cell":{"network":"none"}}`: kmod.NetworkNone,
	} {
		p := compile(t, minimal(text), ourModule())
		if p.Cell.Network != want || p.Cell.Permissions.Has(policy.Inet) == (want == kmod.NetworkNone) {
			t.Errorf("%s: network %s, inet open %v; want %s", text, p.Cell.Network, p.Cell.Permissions.Has(policy.Inet), want)
		}
	}
}

// TestIPCNamespace: what would be shared is closed, whatever the profile.
func TestIPCNamespace(t *testing.T) {
	const ipc = `"linux":{"namespaces":[{"type":"ipc"}]}`
	p := compile(t, minimal(ipc+`,"netbsd":{"cell":{"profile":"low"}}`), ourModule())
	checkPermissions(t, "low", p, nil, []policy.Permission{policy.SysVIPC, policy.SysVIPCOverride, policy.PosixIPC})
	if by := grantOf(p, policy.SysVIPC); by != "linux.namespaces[0]: ipc" {
		t.Errorf("sysv-ipc decided by %q", by)
	}
	p = compile(t, minimal(ipc+`,"netbsd":{"cell":{"permissions":["sysv-ipc"]}}`), ourModule())
	checkPermissions(t, "explicit", p, []policy.Permission{policy.SysVIPC}, nil)
	if n, _ := noteOn(p, "linux.namespaces[0]"); !strings.Contains(n.Reason, "shared with the host, because netbsd.cell.permissions opens sysv-ipc") {
		t.Errorf("note = %+v", n)
	}
}

func TestTooManyAddresses(t *testing.T) {
	var list []string
	for i := range 33 {
		list = append(list, fmt.Sprintf("wm0=192.0.2.%d/24", i+1))
	}
	_, err := Compile(load(t, minimal(`"annotations":{"org.netbsd.cell.addresses":"`+strings.Join(list, ",")+`"}`)), ourModule())
	if err == nil || !strings.Contains(err.Error(), "33 addresses: a cell can have 32") {
		t.Errorf("Compile of 33 addresses = %v; want an error", err)
	}
}

func TestPortsWithoutAddresses(t *testing.T) {
	p := compile(t, minimal(`"netbsd":{"cell":{"reservedPorts":["192.0.2.1:80/tcp","192.0.2.2:80"]}}`), published())
	if !reflect.DeepEqual(p.Cell.Ports, []kmod.Port{{Port: 80}}) {
		t.Errorf("ports %v; want 80 on every address once", p.Cell.Ports)
	}
	if n, _ := noteOn(p, "netbsd.cell.reservedPorts"); n.Grade != Approximated {
		t.Errorf("note = %+v; want it approximated", n)
	}
}

// TestRecordedIsAWarning: an emulator that can't enforce says so.
func TestRecordedIsAWarning(t *testing.T) {
	f := emulated()
	f.Ports = kmod.Support{Level: kmod.Recorded, Reason: "no cgroup2"}
	p := compile(t, minimal(`"netbsd":{"cell":{"reservedPorts":["80"]}}`), f)
	if n, _ := noteOn(p, "netbsd.cell.reservedPorts"); n.Grade != Approximated || !strings.Contains(n.Reason, "not enforced: no cgroup2") {
		t.Errorf("note = %+v", n)
	}
}

// Limits have the names that operators write, in any case.
func TestCheckLimit(t *testing.T) {
	for name, want := range map[string]string{"nofile": "", "NoFile": "", "as": "", "nofil": "did you mean nofile?", "locks": "NetBSD has no limit", "": "there are "} {
		if err := CheckLimit(name); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("CheckLimit(%q) = %v, want %q", name, err, want)
		}
	}
}

// An unknown permission is told with the one that was meant, or with what there are.
func TestParsePermission(t *testing.T) {
	for name, want := range map[string]string{"mount": "", "-mount": "", "mout": "did you mean mount?", "-mout": "did you mean mount?", "zzz": "unknown permission"} {
		p, closed, err := ParsePermission(name)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("ParsePermission(%q) = %v, want %q", name, err, want)
		}
		if err == nil && (p != policy.Mount || closed != (name[0] == '-')) {
			t.Errorf("ParsePermission(%q) = %v, closed: %v", name, p, closed)
		}
	}
}
