package pack

// A layer on top of another image.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/layer"
	"github.com/netbsd-cells/runcell/image/layout"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/store"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// packOn packs what differs from the image o.Base as a layer on top of it.
func (out *Writer) packOn(ctx context.Context, rootfs string, o Options) (_ *Result, err error) {
	limits := image.DefaultLimits()
	if o.Limits != nil {
		limits = *o.Limits
	}
	base, _, closeBase, err := store.OpenImage(ctx, o.Base, o.Store, manifest.Want{Platform: o.Platform, Limits: limits, TrustIndex: o.TrustIndex})
	if err != nil {
		return nil, fmt.Errorf("base: %w", err)
	}
	defer func() { err = errors.Join(err, closeBase()) }()
	cfg := base.Config
	if o.Author != "" {
		cfg.Author = o.Author
	}
	override(&cfg.Config, &o.Config)
	var layers []Layer
	var times []time.Time
	if cfg.Created != nil {
		times = append(times, *cfg.Created)
	}
	for _, l := range base.Layers {
		if err := out.CopyBlob(ctx, layout.Source{Layout: base.Layout}, l.Descriptor); err != nil {
			return nil, err
		}
		layers = append(layers, Layer{Descriptor: v1.Descriptor{MediaType: manifest.LayerType(l.Compression), Digest: l.Digest, Size: l.Size}, diffID: l.DiffID})
	}
	err = bundle.WithUnpacked(ctx, base, o.Store, limits, false, func(from layer.Original) error {
		l, err := out.Layer(o.Compression, func(w io.Writer) (*layer.Packed, error) { return layer.PackDiff(ctx, from, rootfs, w, o.stamps()) })
		if l != nil {
			layers, times = append(layers, *l), append(times, l.res.Newest)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	cfg.Created = o.created(times...)
	return out.Finish(ctx, cfg, layers, "runcell image pack --base")
}

// override replaces the fields of c that with sets; variables, labels, ports
// and volumes are added.
func override(c, with *v1.ImageConfig) {
	for _, f := range []struct {
		to   *string
		from string
	}{{&c.User, with.User}, {&c.WorkingDir, with.WorkingDir}, {&c.StopSignal, with.StopSignal}} {
		if f.from != "" {
			*f.to = f.from
		}
	}
	if len(with.Entrypoint) > 0 { // a Cmd of the base is for its own entry point
		c.Entrypoint, c.Cmd = with.Entrypoint, nil
	}
	if len(with.Cmd) > 0 {
		c.Cmd = with.Cmd
	}
	c.Env = append(slices.DeleteFunc(slices.Clone(c.Env), func(e string) bool {
		return slices.ContainsFunc(with.Env, func(w string) bool { return envName(w) == envName(e) })
	}), with.Env...)
	c.Labels = merged(c.Labels, with.Labels)
	c.ExposedPorts = merged(c.ExposedPorts, with.ExposedPorts)
	c.Volumes = merged(c.Volumes, with.Volumes)
}

func envName(e string) string {
	for i := range len(e) {
		if e[i] == '=' {
			return e[:i]
		}
	}
	return e
}

func merged[V any](a, b map[string]V) map[string]V {
	if len(b) == 0 {
		return a
	}
	all := map[string]V{}
	maps.Copy(all, a)
	maps.Copy(all, b)
	return all
}
