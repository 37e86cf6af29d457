package manifest

// Which image is chosen, of documents in memory.

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/image"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// image adds an image without layers. author makes it another one.
func (docs documents) image(platform, author string) v1.Descriptor {
	p, err := ParsePlatform(platform)
	if err != nil {
		panic(err)
	}
	cfg := docs.add(v1.MediaTypeImageConfig, v1.Image{Platform: p, Author: author, RootFS: v1.RootFS{Type: "layers"}})
	return docs.add(v1.MediaTypeImageManifest, v1.Manifest{Versioned: Schema2, MediaType: v1.MediaTypeImageManifest, Config: cfg, Layers: []v1.Descriptor{}})
}

func (docs documents) index(list ...v1.Descriptor) v1.Descriptor {
	return docs.add(v1.MediaTypeImageIndex, v1.Index{Versioned: Schema2, MediaType: v1.MediaTypeImageIndex, Manifests: list})
}

// called gives a descriptor a platform, if it is not empty, and a name.
func called(d v1.Descriptor, platform, name string) v1.Descriptor {
	if platform != "" {
		system, arch, _ := strings.Cut(platform, "/")
		arch, variant, _ := strings.Cut(arch, "/")
		d.Platform = &v1.Platform{OS: system, Architecture: arch, Variant: variant}
	}
	d.Annotations = map[string]string{"other": "x"}
	if name != "" {
		d.Annotations[v1.AnnotationRefName] = name
	}
	return d
}

func choose(docs documents, platform string, want Want, roots ...v1.Descriptor) (*Image, error) {
	p, err := ParsePlatform(platform)
	if err != nil {
		panic(err)
	}
	want.Platform = p
	return Choose(docs, roots, want)
}

func TestChoose(t *testing.T) {
	docs := documents{}
	a, b, arm, v6, v7 := docs.image("linux/amd64", "a"), docs.image("linux/amd64", "b"), docs.image("linux/arm64", ""), docs.image("linux/arm/v6", ""), docs.image("linux/arm/v7", "")
	away := v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: "sha256:away", Size: 1} // not at hand
	artifact := docs.add("application/x", "an artifact")
	unlike := docs.add(v1.MediaTypeImageManifest, v1.Manifest{Versioned: Schema2, Config: v1.Descriptor{MediaType: "text/plain", Digest: digest.FromString("")}, Layers: []v1.Descriptor{}})
	for name, c := range map[string]struct {
		roots    []v1.Descriptor
		platform string
		want     Want
		got      v1.Descriptor
		err      string
	}{
		"one":                         {roots: []v1.Descriptor{a}, platform: "linux/amd64", got: a},
		"by config":                   {roots: []v1.Descriptor{docs.index(arm, a, v6)}, platform: "linux/amd64", got: a},
		"others are away":             {roots: []v1.Descriptor{docs.index(called(away, "linux/arm64", ""), called(a, "linux/amd64", ""))}, platform: "linux/amd64", got: a},
		"it is away":                  {roots: []v1.Descriptor{called(away, "linux/amd64", "")}, platform: "linux/amd64", err: "content does not match"},
		"none":                        {roots: []v1.Descriptor{called(away, "linux/arm64", ""), called(away, "plan9/mips", "n")}, platform: "linux/amd64", err: `nothing for linux/amd64, only for linux/arm64, plan9/mips ("n"): choose`},
		"nothing":                     {roots: []v1.Descriptor{docs.index()}, platform: "linux/amd64", err: "the index is empty"},
		"artifacts":                   {roots: []v1.Descriptor{artifact, unlike}, platform: "linux/amd64", err: `only for an artifact of type "application/x", an artifact of type "text/plain": choose`},
		"the least demanding":         {roots: []v1.Descriptor{called(v7, "linux/arm/v7", "x"), called(v6, "linux/arm/v6", "y")}, platform: "linux/arm", got: v6},
		"two names":                   {roots: []v1.Descriptor{called(a, "linux/amd64", "x"), called(b, "linux/amd64", "y")}, platform: "linux/amd64", err: `several images for linux/amd64: add one of their names after a colon: "x", "y"`},
		"two names above":             {roots: []v1.Descriptor{called(docs.index(called(a, "linux/amd64", "")), "", "x"), called(docs.index(called(b, "linux/amd64", "z")), "", "y")}, platform: "linux/amd64", err: `: "x", "y"`},
		"one name twice":              {roots: []v1.Descriptor{called(a, "linux/amd64", "x"), called(b, "linux/amd64", "x")}, platform: "linux/amd64", got: a},
		"another word":                {roots: []v1.Descriptor{called(arm, "linux/amd64", "")}, platform: "linux/amd64", err: "the index says it is for linux/amd64, its config says linux/arm64: --trust-index"},
		"another word, trusted":       {roots: []v1.Descriptor{called(arm, "linux/amd64", "")}, platform: "linux/amd64", want: Want{TrustIndex: true}, got: arm},
		"the only one":                {roots: []v1.Descriptor{docs.index(called(arm, "linux/arm64", ""), called(away, "unknown/unknown", ""))}, platform: "linux/amd64", want: Want{Only: true}, got: arm},
		"the only one, twice":         {roots: []v1.Descriptor{called(arm, "linux/arm64", "x"), docs.index(called(arm, "linux/arm64", "x"), called(arm, "linux/aarch64", "x"))}, platform: "linux/amd64", want: Want{Only: true}, got: arm},
		"not the only one":            {roots: []v1.Descriptor{called(a, "linux/amd64", ""), called(b, "linux/amd64", "")}, platform: "linux/amd64", want: Want{Only: true}, err: "there is more than one image, linux/amd64, linux/amd64: choose one"},
		"for two platforms":           {roots: []v1.Descriptor{called(a, "linux/amd64", ""), called(a, "linux/arm64", "")}, platform: "linux/amd64", want: Want{Only: true}, err: "there is more than one image"},
		"none is the only one":        {roots: []v1.Descriptor{called(away, "unknown/unknown", "")}, platform: "linux/amd64", want: Want{Only: true}, err: "there is no image, only unknown/unknown"},
		"of nothing the only one":     {roots: []v1.Descriptor{docs.index()}, platform: "linux/amd64", want: Want{Only: true}, err: "the index is empty"},
		"as many descriptors as may":  {roots: []v1.Descriptor{docs.index(a, arm)}, platform: "linux/amd64", want: Want{Limits: image.Limits{MaxBlobs: 3}}, got: a},
		"a descriptor more than that": {roots: []v1.Descriptor{docs.index(a, arm)}, platform: "linux/amd64", want: Want{Limits: image.Limits{MaxBlobs: 2}}, err: "more than 2 descriptors to look through (--max-blobs): name one"},
	} {
		img, err := choose(docs, c.platform, c.want, c.roots...)
		switch {
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%s: error is %v; want %q in it", name, err, c.err)
		case c.err == "" && (err != nil || img.Descriptor.Digest != c.got.Digest):
			t.Errorf("%s: %+v, %v; want %s", name, img, err, c.got.Digest)
		}
		if trusted := name == "another word, trusted"; trusted && err == nil && (PlatformName(img.Config.Platform) != "linux/amd64" || len(img.Notes.List) != 1 || !strings.Contains(img.Notes.List[0].String(), "the config says linux/arm64, but the index says linux/amd64")) {
			t.Errorf("%s: for %v, notes are %v", name, img.Config.Platform, img.Notes.List)
		}
	}
}

// Errors list the first few of many.
func TestChooseAmongMany(t *testing.T) {
	list := func(n int, platform string) (list []v1.Descriptor) {
		for i := range n {
			d := v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: digest.Digest(fmt.Sprint("sha256:", i)), Size: 1}
			list = append(list, called(d, platform, fmt.Sprintf("n%02d", i)))
		}
		return list
	}
	for n, want := range map[int]string{20: `"n18"), plan9/mips ("n19"): choose`, 21: `("n19"), 1 more: choose`, 23: `("n19"), 3 more: choose`} {
		_, err := choose(documents{}, "linux/amd64", Want{}, list(n, "plan9/mips")...)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d that don't fit: error is %v; want %q", n, err, want)
		}
	}
	for n, want := range map[int]string{21: `"n19", "n20"`, 22: `"n19", "n20", 1 more`, 24: `"n20", 3 more`} {
		_, err := choose(documents{}, "linux/amd64", Want{}, list(n, "linux/amd64")...)
		if err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%d that fit: error is %v; want %q", n, err, want)
		}
		if _, err := choose(documents{}, "linux/amd64", Want{}, append(list(n, "linux/amd64"), list(30, "plan9/mips")...)...); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%d that fit, and others: error is %v; want %q", n, err, want)
		}
	}
	for n, want := range map[int]string{20: `"n18", "n19"`, 21: `"n19", 1 more`} {
		all := list(n, "")
		slices.Reverse(all)
		if _, err := Named(all, "x"); err == nil || !strings.HasSuffix(err.Error(), want) || !strings.Contains(err.Error(), `the layout has "n00", "n01"`) {
			t.Errorf("of %d names: error is %v; want %q", n, err, want)
		}
	}
}

// No more than a thousand documents are read for one image.
func TestDocumentsAreLimited(t *testing.T) {
	docs := documents{}
	var list []v1.Descriptor
	for i := range 498 {
		list = append(list, docs.image("plan9/mips", fmt.Sprint(i)))
	}
	list = append(list, docs.image("linux/amd64", ""))
	if _, err := choose(docs, "linux/amd64", Want{}, list...); err != nil { // twice 499, and the one that is chosen
		t.Error(err)
	}
	if _, err := choose(docs, "linux/amd64", Want{}, docs.index(list...)); err == nil || !strings.Contains(err.Error(), "more than 1000 documents to look through") {
		t.Errorf("error is %v", err)
	}
}

func TestNamed(t *testing.T) {
	one, two, none := called(v1.Descriptor{Digest: "1"}, "", "x"), called(v1.Descriptor{Digest: "2"}, "", "y"), called(v1.Descriptor{Digest: "3"}, "", "")
	for _, c := range []struct {
		list []v1.Descriptor
		name string
		got  []v1.Descriptor
		err  string
	}{
		{[]v1.Descriptor{one, two, none}, "", []v1.Descriptor{one, two, none}, ""},
		{[]v1.Descriptor{one, two, none, one}, "x", []v1.Descriptor{one, one}, ""},
		{[]v1.Descriptor{two, none, one}, "z", nil, `no image is named "z": the layout has "x", "y"`},
		{[]v1.Descriptor{none}, "z", nil, `no image is named "z": none has a name`},
	} {
		got, err := Named(c.list, c.name)
		if !reflect.DeepEqual(got, c.got) || c.err == "" && err != nil || c.err != "" && (err == nil || err.Error() != c.err) {
			t.Errorf("%q of %v: %v, %v; want %v, %q", c.name, c.list, got, err, c.got, c.err)
		}
	}
}

// What an image costs is limited before anything is read of it.
func TestCostOfImage(t *testing.T) {
	docs := documents{}
	layer := v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: digest.FromString(""), Size: 0}
	cfg := v1.Image{Platform: v1.Platform{OS: "linux", Architecture: "amd64"}, RootFS: v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{layer.Digest, layer.Digest}}}
	cfg.Config.Volumes = map[string]struct{}{"/a": {}, "/b": {}, "/c": {}}
	d := docs.add(v1.MediaTypeImageManifest, v1.Manifest{Versioned: Schema2, Config: docs.add(v1.MediaTypeImageConfig, cfg), Layers: []v1.Descriptor{layer, layer}})
	for limits, want := range map[image.Limits]string{
		{MaxLayers: 2, MaxVolumes: 3}: "", {MaxLayers: 1}: "more than 1 layers (--max-layers)", {MaxVolumes: 2}: "more than 2 volumes (--max-volumes)",
	} {
		_, err := choose(docs, "linux/amd64", Want{Limits: limits}, d)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%+v: error is %v; want %q", limits, err, want)
		}
	}
}

func TestPairLayers(t *testing.T) {
	sum := digest.FromString("x")
	for mediaType, want := range map[string]image.Compression{
		"application/vnd.oci.image.layer.v1.tar": image.None, "application/vnd.oci.image.layer.v1.tar+gzip": image.Gzip, "application/vnd.oci.image.layer.v1.tar+zstd": image.Zstd,
		"application/vnd.oci.image.layer.nondistributable.v1.tar": image.None, "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip": image.Gzip,
		"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd": image.Zstd, "application/vnd.docker.image.rootfs.diff.tar": image.None,
		"application/vnd.docker.image.rootfs.diff.tar.gzip": image.Gzip, "application/vnd.docker.image.rootfs.diff.tar.zstd": image.Zstd,
		"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip": image.Gzip,
	} {
		d := v1.Descriptor{MediaType: mediaType, Digest: sum}
		got, err := pairLayers(&v1.Manifest{Layers: []v1.Descriptor{d}}, &v1.Image{RootFS: v1.RootFS{DiffIDs: []digest.Digest{sum}}})
		if want := []Layer{{d, sum, want}}; err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want %+v", mediaType, got, err, want)
		}
	}
	for _, c := range []image.Compression{image.None, image.Gzip, image.Zstd} {
		d := v1.Descriptor{MediaType: LayerType(c), Digest: sum}
		if got, err := pairLayers(&v1.Manifest{Layers: []v1.Descriptor{d}}, &v1.Image{RootFS: v1.RootFS{DiffIDs: []digest.Digest{sum}}}); err != nil || got[0].Compression != c {
			t.Errorf("%s is %+v, %v; want %s", d.MediaType, got, err, c)
		}
	}
	good := v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: sum}
	for name, c := range map[string]struct {
		layer v1.Descriptor
		ids   []digest.Digest
		want  string
	}{
		"no ids":       {good, nil, "1 layers, but the config has 0"},
		"two ids":      {good, []digest.Digest{sum, sum}, "1 layers, but the config has 2"},
		"another kind": {v1.Descriptor{MediaType: "text/plain", Digest: sum}, []digest.Digest{sum}, "not a layer this version can read"},
		"no digest":    {v1.Descriptor{MediaType: v1.MediaTypeImageLayer}, []digest.Digest{sum}, "layers[0]: malformed digest"},
		"a path as id": {good, []digest.Digest{"sha256:../x"}, "layers[0]: malformed digest"},
		"size -1":      {v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: sum, Size: -1}, []digest.Digest{sum}, "layers[0]: size -1"},
	} {
		_, err := pairLayers(&v1.Manifest{Layers: []v1.Descriptor{c.layer}}, &v1.Image{RootFS: v1.RootFS{DiffIDs: c.ids}})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v; want %q", name, err, c.want)
		}
	}
}

// What a document is, its head and its descriptor say alike.
func TestHeads(t *testing.T) {
	index := func(want string) func(string) error {
		return func(s string) error { _, err := ParseIndex([]byte(s), want); return err }
	}
	manifest := func(s string) error { _, err := ParseManifest([]byte(s), v1.MediaTypeImageManifest); return err }
	config := func(s string) error { _, err := ParseConfig([]byte(s)); return err }
	for _, c := range []struct {
		parse    func(string) error
		document string
		want     string
	}{
		{index(""), `{"schemaVersion":2,"manifests":[]}`, ""},
		{index(""), `{"schemaVersion":2,"manifests":[],"mediaType":"` + v1.MediaTypeImageIndex + `"}`, ""},
		{index(""), `{"schemaVersion":2,"manifests":[],"mediaType":"` + MediaTypeDockerIndex + `"}`, ""},
		{index(""), `{"schemaVersion":2,"manifests":[],"mediaType":"` + v1.MediaTypeImageManifest + `"}`, "its descriptor says " + v1.MediaTypeImageIndex},
		{index(MediaTypeDockerIndex), `{"schemaVersion":2,"manifests":[],"mediaType":"` + v1.MediaTypeImageIndex + `"}`, "its descriptor says " + MediaTypeDockerIndex},
		{index(""), `{"schemaVersion":1,"manifests":[]}`, "schemaVersion 1: want 2"},
		{index(""), `{"schemaVersion":2,"manifests":7}`, "cannot unmarshal number"},
		{index(""), `{"schemaVersion":2,"manifests":[],"fsLayers":[]}`, "two kinds"},
		{manifest, `{"schemaVersion":2,"config":{},"layers":[]}`, ""},
		{manifest, `{"schemaVersion":2,"config":{},"layers":7}`, "cannot unmarshal number"},
		{manifest, `{"schemaVersion":3,"config":{},"layers":[]}`, "schemaVersion 3: want 2"},
		{manifest, `{"schemaVersion":2,"config":{},"layers":[],"manifests":[]}`, "two kinds"},
		{manifest, `{"schemaVersion":2,"config":{},"layers":[],"mediaType":"x"}`, `mediaType "x": its descriptor says`},
		{config, `{"rootfs":{"diff_ids":["` + string(digest.FromString("")) + `"]}}`, ""},
		{config, `{"rootfs":{"diff_ids":["` + string(digest.FromString("")) + `","sha256:x"]}}`, "rootfs.diff_ids[1]: malformed digest"},
		{config, `{"rootfs":7}`, "cannot unmarshal number"},
	} {
		err := c.parse(c.document)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: error is %v; want %q", c.document, err, c.want)
		}
	}
}

func TestReadConfig(t *testing.T) {
	docs := documents{}
	good := docs.add(v1.MediaTypeImageConfig, v1.Image{RootFS: v1.RootFS{Type: "layers"}})
	docker := docs.add(MediaTypeDockerConfig, v1.Image{Author: "x", RootFS: v1.RootFS{Type: "layers"}})
	other := docs.add("text/plain", v1.Image{Author: "y", RootFS: v1.RootFS{Type: "layers"}})
	squashed := docs.add(v1.MediaTypeImageConfig, v1.Image{RootFS: v1.RootFS{Type: "squashfs"}})
	for d, want := range map[*v1.Descriptor]string{&good: "", &docker: "", &other: "it is an artifact, not an image", &squashed: `rootfs.type "squashfs"`} {
		_, err := ReadConfig(docs, *d)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: error is %v; want %q", d.MediaType, err, want)
		}
	}
}

// Of what a document leads to nothing is kept that nobody asks for.
func TestChildren(t *testing.T) {
	full := v1.Descriptor{MediaType: "m", Digest: "sha256:x", Size: 3, URLs: []string{"u"}, Data: []byte("d"), ArtifactType: "t", Platform: &v1.Platform{OS: "o", Architecture: "a"}}
	slim := v1.Descriptor{MediaType: "m", Digest: "sha256:x", Size: 3, Platform: full.Platform}
	named := called(full, "", "n")
	full.Annotations = map[string]string{"other": "x"}
	slimNamed := slim
	slimNamed.Annotations = map[string]string{v1.AnnotationRefName: "n"}
	docs := documents{}
	for _, c := range []struct {
		d    v1.Descriptor
		want []v1.Descriptor
	}{
		{docs.index(full, named), []v1.Descriptor{slim, slimNamed}},
		{docs.add(v1.MediaTypeImageManifest, v1.Manifest{Versioned: Schema2, Config: full, Layers: []v1.Descriptor{named, full}}), []v1.Descriptor{slim, slimNamed, slim}},
	} {
		got, err := Children(c.d, docs[c.d.Digest])
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s leads to %+v, %v; want %+v", c.d.MediaType, got, err, c.want)
		}
	}
	for _, mediaType := range []string{v1.MediaTypeImageIndex, v1.MediaTypeImageManifest} {
		if _, err := Children(v1.Descriptor{MediaType: mediaType}, []byte("{}")); err == nil {
			t.Errorf("%s: nothing leads somewhere", mediaType)
		}
	}
}

// Docker's media types count as image-spec's do.
func TestTypes(t *testing.T) {
	for mediaType, want := range map[string]string{
		v1.MediaTypeImageIndex: "index", "application/vnd.docker.distribution.manifest.list.v2+json": "index",
		v1.MediaTypeImageManifest: "manifest", "application/vnd.docker.distribution.manifest.v2+json": "manifest",
		v1.MediaTypeImageConfig: "config", "application/vnd.docker.container.image.v1+json": "config", "text/plain": "",
	} {
		is := map[string]bool{"index": IsIndex(mediaType), "manifest": IsManifest(mediaType), "config": IsConfig(mediaType)}
		for kind, is := range is {
			if is != (kind == want) {
				t.Errorf("%s is a %s: %v", mediaType, kind, is)
			}
		}
		if slices.Contains(Types, mediaType) != (is["index"] || is["manifest"]) {
			t.Errorf("%s is asked for: %v", mediaType, !is["index"])
		}
	}
}

// A missing platform is an error of its own.
func TestPlatformError(t *testing.T) {
	var none *PlatformError
	if _, err := choose(documents{}, "linux/amd64", Want{}, called(v1.Descriptor{MediaType: v1.MediaTypeImageManifest}, "plan9/mips", "")); !errors.As(err, &none) {
		t.Errorf("error is %v", err)
	}
}
