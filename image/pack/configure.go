package pack

// The same layers under another configuration.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/layout"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/store"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// ConfigOptions say what to change of an image's configuration.
type ConfigOptions struct {
	Platform   *v1.Platform  // nil: that of the only image there is
	Store      string        // where names are put and looked up; "": every name is a place
	TrustIndex bool          // see manifest.Want
	Limits     *image.Limits // nil: image.DefaultLimits
	// Epoch, if not nil, is the new image's time (SOURCE_DATE_EPOCH); else it
	// stays what it is.
	Epoch *time.Time
	// Unset is taken away before anything is set: one of Fields, or one of its
	// members as FIELD=NAME.
	Unset  []string
	Author string
	// Set takes the place of what the image has; variables, labels, ports and
	// volumes are added. An entry point takes Cmd away, which was for another one.
	Set v1.ImageConfig
}

// field is one of a configuration, under the name of the flag that sets it.
type field struct {
	name string
	is   func(*v1.Image) bool // there is something
	all  func(*v1.Image)      // takes it away
	// one takes a member away, and gives the names of those that there are: nil
	// for a field without members.
	one func(c *v1.ImageConfig, name string) (found bool, have []string)
}

var fields = []field{
	{"author", func(i *v1.Image) bool { return i.Author != "" }, func(i *v1.Image) { i.Author = "" }, nil},
	{"cmd", func(i *v1.Image) bool { return len(i.Config.Cmd) > 0 }, func(i *v1.Image) { i.Config.Cmd = nil }, nil},
	{"entrypoint", func(i *v1.Image) bool { return len(i.Config.Entrypoint) > 0 }, func(i *v1.Image) { i.Config.Entrypoint = nil }, nil},
	{"env", func(i *v1.Image) bool { return len(i.Config.Env) > 0 }, func(i *v1.Image) { i.Config.Env = nil }, withoutVariable},
	{"expose", func(i *v1.Image) bool { return len(i.Config.ExposedPorts) > 0 }, func(i *v1.Image) { i.Config.ExposedPorts = nil }, withoutPort},
	{"label", func(i *v1.Image) bool { return len(i.Config.Labels) > 0 }, func(i *v1.Image) { i.Config.Labels = nil }, func(c *v1.ImageConfig, name string) (bool, []string) {
		return without(c.Labels, name)
	}},
	{"stop-signal", func(i *v1.Image) bool { return i.Config.StopSignal != "" }, func(i *v1.Image) { i.Config.StopSignal = "" }, nil},
	{"user", func(i *v1.Image) bool { return i.Config.User != "" }, func(i *v1.Image) { i.Config.User = "" }, nil},
	{"volume", func(i *v1.Image) bool { return len(i.Config.Volumes) > 0 }, func(i *v1.Image) { i.Config.Volumes = nil }, func(c *v1.ImageConfig, name string) (bool, []string) {
		return without(c.Volumes, name)
	}},
	{"workdir", func(i *v1.Image) bool { return i.Config.WorkingDir != "" }, func(i *v1.Image) { i.Config.WorkingDir = "" }, nil},
}

// Fields are the names of what can be unset.
func Fields() (names []string) {
	for _, f := range fields {
		names = append(names, f.name)
	}
	return names
}

func without[V any](m map[string]V, name string) (found bool, have []string) {
	_, found = m[name]
	have = slices.Sorted(maps.Keys(m))
	delete(m, name)
	return found, have
}

func withoutVariable(c *v1.ImageConfig, name string) (found bool, have []string) {
	for _, e := range c.Env {
		have = append(have, envName(e))
	}
	c.Env = slices.DeleteFunc(c.Env, func(e string) bool { return envName(e) == name })
	return len(c.Env) < len(have), have
}

// withoutPort also finds 80/tcp as 80, which is the same.
func withoutPort(c *v1.ImageConfig, name string) (found bool, have []string) {
	const usual = "/tcp"
	have = slices.Sorted(maps.Keys(c.ExposedPorts))
	for _, port := range have {
		if strings.TrimSuffix(port, usual) == strings.TrimSuffix(name, usual) {
			delete(c.ExposedPorts, port)
			found = true
		}
	}
	return found, have
}

// unset takes a field of the configuration away, or one of its members. A member
// that is not there is an error: a secret whose name was misspelt would stay.
func unset(cfg *v1.Image, what string) error {
	name, member, isMember := strings.Cut(what, "=")
	i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
	switch {
	case i < 0:
		return fmt.Errorf("unset %s: want one of %s", image.Quote(what), strings.Join(Fields(), ", "))
	case !isMember:
		fields[i].all(cfg)
		return nil
	case fields[i].one == nil:
		return fmt.Errorf("unset %s: %s has no members: leave %s out", image.Quote(what), name, image.Quote("="+member))
	}
	found, have := fields[i].one(&cfg.Config, member)
	if !found && len(have) == 0 {
		return fmt.Errorf("unset %s: the image has none", image.Quote(what))
	}
	if !found {
		const most = 20
		return fmt.Errorf("unset %s: the image has %s", image.Quote(what), strings.Join(have[:min(most, len(have))], ", "))
	}
	return nil
}

// change changes a configuration, and gives the fields that it was asked to change.
func (o *ConfigOptions) change(cfg *v1.Image) (changed []string, err error) {
	asked := map[string]bool{}
	for _, what := range o.Unset {
		if err := unset(cfg, what); err != nil {
			return nil, err
		}
		name, _, _ := strings.Cut(what, "=")
		asked[name] = true
	}
	set := v1.Image{Author: o.Author, Config: o.Set}
	for _, f := range fields {
		if f.is(&set) {
			asked[f.name] = true
		}
	}
	if o.Author != "" {
		cfg.Author = o.Author
	}
	override(&cfg.Config, &o.Set)
	return slices.Sorted(maps.Keys(asked)), nil
}

// Configure makes the image called to out of the image called from: the same
// layers under another configuration. The names are those of Pack. What is there
// under the name to is replaced only once the new image is whole; what from stands
// for stays. The result is for one platform.
func Configure(ctx context.Context, from, to string, o ConfigOptions) (_ *Result, err error) {
	if err := bundle.CheckConfig(&o.Set); err != nil {
		return nil, err
	}
	out, full, err := Create(ctx, to, Target{Store: o.Store})
	if err != nil {
		return nil, fmt.Errorf("configure %s: %w", to, err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	res, err := out.configure(ctx, from, o)
	if err != nil {
		return nil, fmt.Errorf("configure %s: %w", full, err)
	}
	return res, nil
}

func (out *Writer) configure(ctx context.Context, from string, o ConfigOptions) (_ *Result, err error) {
	want := manifest.Want{Limits: image.DefaultLimits(), TrustIndex: o.TrustIndex, Only: o.Platform == nil}
	if o.Limits != nil {
		want.Limits = *o.Limits
	}
	if o.Platform != nil {
		want.Platform = *o.Platform
	}
	base, _, closeBase, err := store.OpenImage(ctx, from, o.Store, want)
	if err != nil {
		return nil, fmt.Errorf("base: %w", err)
	}
	defer func() { err = errors.Join(err, closeBase()) }()
	cfg := base.Config
	changed, err := o.change(&cfg)
	if err != nil {
		return nil, err
	}
	by := v1.History{Created: o.created(cfg.Created), CreatedBy: "runcell image config: " + strings.Join(changed, ", "), EmptyLayer: true}
	if o.Epoch != nil {
		cfg.Created = by.Created
	}
	cfg.History = append(slices.Clone(cfg.History), by)
	m, err := out.copyLayers(ctx, base, want.Limits)
	if err != nil {
		return nil, err
	}
	if m.Config, err = out.overConfig(base, m.Config, &cfg); err != nil {
		return nil, err
	}
	desc, err := out.document(v1.MediaTypeImageManifest, m)
	if err != nil {
		return nil, err
	}
	desc.Platform = &cfg.Platform
	return &Result{Manifest: desc.Digest, Notes: base.Notes.List}, out.Publish(ctx, desc)
}

// created is the time of the change: that of the image, since the time of day would
// differ at every run.
func (o *ConfigOptions) created(old *time.Time) *time.Time {
	switch {
	case o.Epoch != nil:
		return WholeSeconds(o.Epoch)
	case old != nil:
		return Newest(*old)
	}
	return Newest()
}

// copyLayers copies the layers, and gives the manifest with the old config. What
// describes the image and its layers stays; what refers to the old one, and media
// types of Docker's, do not.
func (out *Writer) copyLayers(ctx context.Context, base *layout.Image, limits image.Limits) (*v1.Manifest, error) {
	data, err := base.Layout.ReadBlob(base.Descriptor)
	if err != nil {
		return nil, err
	}
	old, err := manifest.ParseManifest(data, base.Descriptor.MediaType)
	if err != nil {
		return nil, err
	}
	m := &v1.Manifest{Versioned: manifest.Schema2, MediaType: v1.MediaTypeImageManifest, Config: old.Config, Layers: []v1.Descriptor{}, Annotations: old.Annotations}
	var size int64
	for _, l := range base.Layers {
		size += l.Size
		if err := image.Over(size, limits.MaxSize, "bytes in blobs", "max-size"); err != nil {
			return nil, err
		}
	}
	copied := map[digest.Digest]bool{}
	for _, l := range base.Layers {
		if !copied[l.Digest] {
			if err := out.CopyBlob(ctx, layout.Source{Layout: base.Layout}, l.Descriptor); err != nil {
				return nil, err
			}
		}
		copied[l.Digest] = true
		m.Layers = append(m.Layers, v1.Descriptor{MediaType: manifest.LayerType(l.Compression), Digest: l.Digest, Size: l.Size, Annotations: l.Annotations})
	}
	return m, nil
}

// overConfig stores the old config with what is new in it.
func (out *Writer) overConfig(base *layout.Image, old v1.Descriptor, cfg *v1.Image) (v1.Descriptor, error) {
	data, err := base.Layout.ReadBlob(old)
	if err != nil {
		return v1.Descriptor{}, err
	}
	whole, err := overlaid(data, cfg)
	if err != nil {
		return v1.Descriptor{}, err
	}
	return out.document(v1.MediaTypeImageConfig, whole)
}

// overlaid is an old config with cfg in it. Members that are not known here, such as
// a health check, stay as they are.
func overlaid(data []byte, cfg *v1.Image) (map[string]json.RawMessage, error) {
	inner, err := over(member(data, "config"), cfg.Config, "User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal", "ArgsEscaped")
	if err != nil {
		return nil, err
	}
	return over(data, struct {
		v1.Image
		Config map[string]json.RawMessage `json:"config,omitempty"`
	}{*cfg, inner}, "created", "author", "architecture", "os", "os.version", "os.features", "variant", "config", "rootfs", "history")
}

// member is the value of an object's member, as encoding/json finds it.
func member(data []byte, name string) json.RawMessage {
	var whole map[string]json.RawMessage
	if json.Unmarshal(data, &whole) != nil {
		return nil
	}
	if v, ok := whole[name]; ok {
		return v
	}
	for _, key := range slices.Sorted(maps.Keys(whole)) {
		if strings.EqualFold(key, name) {
			return whole[key]
		}
	}
	return nil
}

// over gives an object's members with those of these names as v has them. A name
// counts in any case, as readers have it.
func over(data []byte, v any, names ...string) (map[string]json.RawMessage, error) {
	var whole, set map[string]json.RawMessage
	if len(data) > 0 {
		if err := json.Unmarshal(data, &whole); err != nil {
			return nil, err
		}
	}
	if whole == nil {
		whole = map[string]json.RawMessage{}
	}
	made, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(made, &set)
	}
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		maps.DeleteFunc(whole, func(key string, _ json.RawMessage) bool { return strings.EqualFold(key, name) })
		if value, ok := set[name]; ok {
			whole[name] = value
		}
	}
	return whole, nil
}
