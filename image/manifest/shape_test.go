package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/verify"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// many is n times x, comma-separated.
func many(x string, n int) string { return strings.TrimSuffix(strings.Repeat(x+",", n), ",") }

// A short document that would be a large thing in memory is refused before it is
// one.
func TestCostOfDocuments(t *testing.T) {
	index := func(list string) string { return `{"schemaVersion":2,"manifests":[` + list + `]}` }
	manifest := func(list string) string { return `{"schemaVersion":2,"config":{},"layers":[` + list + `]}` }
	var members, volumes strings.Builder
	for i := range 300_000 {
		fmt.Fprintf(&members, `,"%x":0`, i)
		fmt.Fprintf(&volumes, `,"/%x":{}`, i)
	}
	var err error
	for name, c := range map[string]struct {
		data  string
		parse func(data []byte)
		want  string
	}{
		"1.4 million manifests": {index(many("{}", 1_390_000)), func(d []byte) { _, err = ParseIndex(d, "") }, "values, at most"},
		"20,001 manifests":      {index(many("{}", 20_001)), func(d []byte) { _, err = ParseIndex(d, "") }, `member "manifests": more than 20000`},
		"20,000 manifests":      {index(many("{}", 20_000)), func(d []byte) { _, err = ParseIndex(d, "") }, ""},
		"commas in strings":     {`{"schemaVersion":2,"manifests":[],"x":["` + strings.Repeat(`\",`, 300_000) + `"]}`, func(d []byte) { _, err = ParseIndex(d, "") }, ""},
		"many members":          {`{"schemaVersion":2,"manifests":[]` + members.String() + `}`, func(d []byte) { _, err = ParseIndex(d, "") }, "values, at most"},
		"20,001 layers":         {manifest(many("{}", 20_001)), func(d []byte) { _, err = ParseManifest(d, "") }, `member "layers": more than 20000`},
		"a long history":        {`{"history":[` + many("{}", 1_390_000) + `]}`, func(d []byte) { _, err = ParseConfig(d) }, "values, at most"},
		"300,000 volumes":       {`{"config":{"Volumes":{` + volumes.String()[1:] + `}}}`, func(d []byte) { _, err = ParseConfig(d) }, "at most"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		c.parse([]byte(c.data))
		runtime.ReadMemStats(&after)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: error is %v; want %q", name, err, c.want)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 50<<20 {
			t.Errorf("%s: %d bytes allocated for a document of %d", name, used, len(c.data))
		}
	}
}

// documents are blobs in memory.
type documents map[digest.Digest][]byte

func (docs documents) add(mediaType string, v any) v1.Descriptor {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	d := v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	docs[d.Digest] = data
	return d
}

func (docs documents) ReadBlob(d v1.Descriptor) ([]byte, error) {
	if data, ok := docs[d.Digest]; ok {
		return data, nil
	}
	return nil, verify.ErrMismatch
}

// An error doesn't list thousands of platforms, and nobody looks through
// thousands of indexes for one.
func TestManyPlatforms(t *testing.T) {
	docs := documents{}
	index := func(n, from int) v1.Descriptor {
		x := v1.Index{Versioned: Schema2, MediaType: v1.MediaTypeImageIndex}
		for i := range n {
			x.Manifests = append(x.Manifests, v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: digest.Digest(fmt.Sprint("sha256:", from+i)), Platform: &v1.Platform{OS: "plan9", Architecture: fmt.Sprint("m", i)}})
		}
		return docs.add(v1.MediaTypeImageIndex, x)
	}
	want := Want{Platform: v1.Platform{OS: "netbsd", Architecture: "amd64"}, Limits: image.DefaultLimits()}
	_, err := Choose(docs, []v1.Descriptor{index(10_000, 0)}, want)
	var none *PlatformError
	if !errors.As(err, &none) || len(err.Error()) > 2000 || !strings.Contains(err.Error(), "9980 more") {
		t.Errorf("error is %.3000v; want the first few platforms", err)
	}
	_, err = Choose(docs, []v1.Descriptor{index(10_000, 0), index(10_001, 10_000)}, want)
	if err == nil || !strings.Contains(err.Error(), "more than 20000 descriptors") {
		t.Errorf("error is %.300v; want one about the number", err)
	}
}

// The members that are counted without being decoded are those that encoding/json
// sees.
func FuzzMembers(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":[1,2,{"b":[3,4]}],"c":"x\"],{"}`, ` { "a" : [ ] , "a" : [ "" , [] ] } `, `{"a":{"x":1,"y":2},"\u0061":null}`, `{"":[{},{}]}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var whole map[string]json.RawMessage
		if json.Unmarshal([]byte(s), &whole) != nil || whole == nil {
			return
		}
		seen := map[string]bool{}
		err := members([]byte(s), func(name string, elements int) error {
			seen[name] = true
			var list []json.RawMessage
			if json.Unmarshal(whole[name], &list) == nil && list != nil && strings.Count(s, `"`) == 2*len(whole) && elements != len(list) {
				t.Errorf("member %q of %q has %d elements; counted %d", name, s, len(list), elements)
			}
			return nil
		})
		if err != nil || len(seen) != len(whole) {
			t.Errorf("members of %q: %v, %v; want %d", s, seen, err, len(whole))
		}
	})
}

var _ image.Documents = documents{}
