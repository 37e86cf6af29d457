package oci

// Explain: a Plan as an operator wants to see it, for JSON and for the text
// that WriteExplanation prints.

import (
	"time"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
)

// Explanation is what `runcell explain --json` prints.
type Explanation struct {
	OCIVersion    string                `json:"ociVersion"`
	Backend       string                `json:"backend"`
	Runnable      bool                  `json:"runnable"` // no note is fatal
	Cell          ExplainedCell         `json:"cell"`
	Permissions   []ExplainedPermission `json:"permissions"`
	Root          Root                  `json:"root"`
	Mounts        []Mount               `json:"mounts"`
	MaskedPaths   []string              `json:"maskedPaths"`
	ReadonlyPaths []string              `json:"readonlyPaths"`
	Devices       []Device              `json:"devices"`
	Process       *Process              `json:"process,omitempty"`
	Hooks         []ExplainedHook       `json:"hooks"`
	Notes         []Note                `json:"notes"`
	// Missing are the kernel interface's features that are absent, whether or
	// not the configuration asks for them.
	Missing []kmod.Feature `json:"missing"`
}

// ExplainedCell is what the kernel enforces, with how far it does.
type ExplainedCell struct {
	Profile      policy.Profile `json:"profile"`
	Network      kmod.Network   `json:"network"`
	NetworkMeans string         `json:"networkMeans"`
	Ports        []string       `json:"ports"`
	Addresses    []string       `json:"addresses"`
	MaxProcesses uint64         `json:"maxProcesses"` // 0 = unlimited
	// Support is the kernel interface's, for each of the above by name.
	Support map[string]kmod.Support `json:"support"`
}

// ExplainedPermission is a row of the permission table.
type ExplainedPermission struct {
	Permission policy.Permission `json:"permission"`
	Open       bool              `json:"open"`
	// By is the field that opened or closed it; empty when the profile did.
	By string `json:"by,omitempty"`
	// May completes "a cell with this permission may ...".
	May string `json:"may"`
	// Low, Medium and High tell whether the profile alone opens it.
	Low    bool `json:"low"`
	Medium bool `json:"medium"`
	High   bool `json:"high"`
}

// ExplainedHook is a hook and when it runs.
type ExplainedHook struct {
	When string `json:"when"`
	Hook
}

// Explain gives the explanation of p, which Compile made with f.
func Explain(p *Plan, f kmod.Features) *Explanation {
	e := &Explanation{
		OCIVersion:    p.OCIVersion,
		Backend:       f.Backend,
		Runnable:      fatalError(p.Notes) == nil,
		Cell:          explainCell(&p.Cell, f),
		Permissions:   explainPermissions(&p.Cell),
		Root:          p.Root,
		Mounts:        list(p.Mounts),
		MaskedPaths:   list(p.MaskedPaths),
		ReadonlyPaths: list(p.ReadonlyPaths),
		Devices:       list(p.Devices),
		Process:       p.Process,
		Hooks:         []ExplainedHook{},
		Notes:         list(p.Notes),
		Missing:       []kmod.Feature{},
	}
	for _, s := range f.List() {
		if s.Level == kmod.Absent {
			e.Missing = append(e.Missing, s)
		}
	}
	for _, l := range p.Hooks.lists() {
		for _, h := range l.hooks {
			e.Hooks = append(e.Hooks, ExplainedHook{l.when, h})
		}
	}
	return e
}

// list makes an empty list print as [] and not as null.
func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func explainCell(c *Cell, f kmod.Features) ExplainedCell {
	e := ExplainedCell{
		Profile: c.Profile, Network: c.Network, NetworkMeans: networkWords(c.Network), MaxProcesses: c.MaxProcesses,
		Ports: []string{}, Addresses: []string{},
		Support: map[string]kmod.Support{
			"profile": f.Profiles, "permissions": f.Permissions, "ports": f.Ports, "maxProcesses": f.MaxProcesses,
		},
	}
	switch c.Network {
	case kmod.NetworkNone:
		e.Support["network"] = f.Network
	case kmod.NetworkAddresses:
		e.Support["network"] = f.Addresses
	}
	for _, p := range c.Ports {
		e.Ports = append(e.Ports, PortString(p))
	}
	for _, a := range c.Addresses {
		e.Addresses = append(e.Addresses, a.String())
	}
	return e
}

func explainPermissions(c *Cell) []ExplainedPermission {
	low, medium, high := policy.Defaults(policy.Low), policy.Defaults(policy.Medium), policy.Defaults(policy.High)
	rows := make([]ExplainedPermission, 0, len(policy.Permissions))
	for i := range policy.Permissions {
		info := &policy.Permissions[i]
		p := info.Permission
		row := ExplainedPermission{
			Permission: p, Open: c.Permissions.Has(p), May: info.Opens,
			Low: low.Has(p), Medium: medium.Has(p), High: high.Has(p),
		}
		for _, g := range c.Grants {
			if g.Permission == p {
				row.By = g.Field
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// hookTime is a list of hooks and when its programs run.
type hookTime struct {
	when  string
	hooks []Hook
}

func (h *Hooks) lists() []hookTime {
	return []hookTime{
		{"prestart", h.Prestart},
		{"createRuntime", h.CreateRuntime},
		{"createContainer", h.CreateContainer},
		{"startContainer", h.StartContainer},
		{"poststart", h.Poststart},
		{"poststop", h.Poststop},
	}
}

// seconds shows a timeout.
func seconds(d time.Duration) string {
	if d == 0 {
		return "none"
	}
	return d.String()
}
