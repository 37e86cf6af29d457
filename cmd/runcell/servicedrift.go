package main

// What a restart of a declared cell would change.

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/netbsd-cells/runcell/cmd/internal/service"
	"github.com/netbsd-cells/runcell/cmd/internal/settings"
	"github.com/netbsd-cells/runcell/kmod/policy"
	"github.com/netbsd-cells/runcell/oci"
)

// drift is what a restart would change. An error is what keeps the cell from
// being started as it is declared now.
func (s *services) drift(ctx context.Context, d *service.Declaration) (list []service.Difference, err error) {
	is, err := s.condition(d)
	if err != nil {
		return nil, err
	}
	will, err := s.declared(ctx, d)
	if err != nil {
		return nil, err
	}
	r, err := s.roots(d)
	if err != nil {
		return nil, err
	}
	if x, ok := r.Find(r.Current); ok && d.Bundle == "" && x.Image != d.Image {
		list = append(list, service.Difference{Field: "image", Is: x.Image, Will: d.Image})
	}
	if !is.isUp() {
		return list, nil
	}
	plan, err := s.engine.Plan(d.Name)
	if err != nil {
		return nil, err
	}
	more, err := service.Differ(bare(plan), bare(will))
	if err != nil {
		return nil, err
	}
	args, err := s.running(d)
	list = slices.Concat(list, more, openings(plan.Cell.Permissions, will.Cell.Permissions), calls(args, s.supervisor(d)))
	return list, err
}

// declared is the plan of the declaration. Where the image has no root file system
// yet, it is what the declaration itself says, upon the configuration that the cell
// had, or upon one that says little.
func (s *services) declared(ctx context.Context, d *service.Declaration) (*oci.Plan, error) {
	base, err := s.base(d)
	if err != nil {
		return nil, err
	}
	if base == "" {
		if err := s.inStore(ctx, d); err != nil {
			return nil, err
		}
		r, err := s.roots(d)
		if err != nil {
			return nil, err
		}
		if r.Current > 0 {
			base = s.rootDir(d, r.Current)
		}
	}
	var cfg *oci.Config
	if base == "" {
		cfg = &oci.Config{Spec: *oci.Example()}
		cfg.Process.Terminal = false
		err = d.Settings.Apply(cfg, settings.Place{Data: s.dataDirs()})
	} else {
		cfg, err = s.config(d, base)
	}
	if err != nil {
		return nil, err
	}
	plan, err := s.plan(cfg)
	if err != nil {
		return nil, err
	}
	return plan, s.found(d, plan)
}

// explain shows what a declaration means, whatever runs.
func (s *services) explain(ctx context.Context, list []*service.Declaration) error {
	features, err := s.engine.Features()
	if err != nil {
		return err
	}
	return s.each(list, func(d *service.Declaration) (string, error) {
		plan, err := s.declared(ctx, d)
		if err != nil {
			return "", err
		}
		if base, err := s.base(d); err == nil && base == "" {
			fmt.Fprintf(s.Stderr, "runcell: %s: %s has no root file system yet: what the image itself says is not in this\n", d.Name, d.Image)
		}
		return "", oci.WriteExplanation(s.Stdout, plan, features, s.colour())
	})
}

// inStore asks for an image.
func (s *services) inStore(ctx context.Context, d *service.Declaration) error {
	return s.imageOf(ctx, d, io.Discard, "inspect", d.Image)
}

// bare leaves out what is said about a plan, and what is told in another way.
func bare(p *oci.Plan) oci.Plan {
	b := *p
	b.Notes, b.Cell.Grants, b.Cell.Permissions = nil, nil, 0
	return b
}

// openings are the permissions that differ, by name.
func openings(is, will policy.Set) (list []service.Difference) {
	word := map[bool]string{false: "closed", true: "open"}
	for _, p := range (is ^ will).List() {
		list = append(list, service.Difference{Field: "permission " + p.String(), Is: word[is.Has(p)], Will: word[will.Has(p)]})
	}
	return list
}

// calls are the flags that differ of the runcell that keeps the cell going.
func calls(is, will []string) (list []service.Difference) {
	a, b := flagsOf(is), flagsOf(will)
	both := maps.Clone(a)
	maps.Copy(both, b)
	for _, name := range slices.Sorted(maps.Keys(both)) {
		if a[name] != b[name] {
			list = append(list, service.Difference{Field: name, Is: a[name], Will: b[name]})
		}
	}
	return list
}

// flagsOf reads what supervisor makes: flags with a value, and --strict alone.
func flagsOf(args []string) map[string]string {
	flags := map[string]string{}
	for i, arg := range args {
		name, ok := strings.CutPrefix(arg, "--")
		switch {
		case !ok || name == "" || i+1 == len(args):
		case name == "strict":
			flags[name] = "yes"
		default:
			flags[name] = args[i+1]
		}
	}
	return flags
}
