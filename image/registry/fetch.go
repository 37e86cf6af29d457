package registry

// What comes out of a registry: documents, whole, and blobs, from any place on.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/backoff"
	"github.com/netbsd-cells/runcell/image/internal/stream"
	"github.com/netbsd-cells/runcell/image/internal/verify"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// accept are the headers of a request for a document that a name can stand for.
func accept() map[string]string {
	return map[string]string{"Accept": strings.Join(manifest.Types, ", ")}
}

// what is the tag or digest of the name.
func (r *Repository) what() string {
	if r.name.Digest != "" {
		return string(r.name.Digest)
	}
	return r.name.Tag
}

// Resolve gives the document that the name stands for now.
func (r *Repository) Resolve(ctx context.Context) (v1.Descriptor, []byte, error) {
	return r.manifest(ctx, r.what(), r.name.Digest)
}

// Ask gives the digest of what the name stands for now, as the registry says, for
// a request that registries don't count as a pull. It is empty if the registry has
// no such name, or does not say.
func (r *Repository) Ask(ctx context.Context) (digest.Digest, error) {
	d, _, err := r.head(ctx)
	return d, err
}

// HasIndex tells whether the name stands for an index now.
func (r *Repository) HasIndex(ctx context.Context) (bool, error) {
	_, mediaType, err := r.head(ctx)
	return manifest.IsIndex(mediaType), err
}

func (r *Repository) head(ctx context.Context) (d digest.Digest, mediaType string, err error) {
	path := "/manifests/" + r.what()
	resp, err := r.send(ctx, http.MethodHead, path, accept(), http.StatusOK, http.StatusNotFound, http.StatusMethodNotAllowed)
	if err != nil {
		return "", "", err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", "", nil
	}
	if d = digest.Digest(resp.Header.Get("Docker-Content-Digest")); verify.Digest(d) != nil {
		d = ""
	}
	mediaType, _, _ = mime.ParseMediaType(resp.Header.Get("Content-Type")) // what is none is no index
	return d, mediaType, nil
}

// document gets a document, of at most image.MaxJSON bytes, and the header that
// came with it. A line that broke or fell silent is taken up again.
func (r *Repository) document(ctx context.Context, path string, header map[string]string) (h http.Header, data []byte, err error) {
	err = r.try(ctx, func() error {
		resp, err := r.send(ctx, http.MethodGet, path, header, http.StatusOK)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		h = resp.Header
		data, err = io.ReadAll(io.LimitReader(resp.Body, image.MaxJSON+1))
		switch {
		case err != nil:
			return fmt.Errorf("%s%s: %w", r.base, path, err)
		case len(data) > image.MaxJSON:
			return backoff.Final{Err: fmt.Errorf("%s%s: more than %d bytes", r.base, path, image.MaxJSON)}
		}
		return nil
	})
	return h, data, err
}

// manifest fetches a manifest or index by tag or digest. Its type is what the
// registry says it is, and the document must agree (CVE-2021-41190).
func (r *Repository) manifest(ctx context.Context, what string, want digest.Digest) (d v1.Descriptor, data []byte, err error) {
	path := "/manifests/" + what
	header, data, err := r.document(ctx, path, accept())
	if err != nil {
		return d, nil, err
	}
	if d, err = describe(header, data, want); err != nil {
		return d, nil, fmt.Errorf("%s%s: %w", r.base, path, err)
	}
	return d, data, nil
}

// describe checks a document that came with a header. want is its digest, or ""
// if that is not known.
func describe(header http.Header, data []byte, want digest.Digest) (d v1.Descriptor, err error) {
	if want == "" {
		want = digest.FromBytes(data)
		if said := digest.Digest(header.Get("Docker-Content-Digest")); said != "" {
			if err := verify.Digest(said); err != nil {
				return d, err
			}
			want = said
		}
	}
	if got := want.Algorithm().FromBytes(data); got != want {
		return d, fmt.Errorf("its digest is %s, not %s: %w", got, want, verify.ErrMismatch)
	}
	d = v1.Descriptor{Digest: want, Size: int64(len(data))}
	if d.MediaType, _, err = mime.ParseMediaType(header.Get("Content-Type")); err != nil {
		return d, fmt.Errorf("Content-Type %s: %w", image.Quote(header.Get("Content-Type")), err)
	}
	switch d.MediaType {
	case v1.MediaTypeImageIndex, manifest.MediaTypeDockerIndex:
		_, err = manifest.ParseIndex(data, d.MediaType)
	case v1.MediaTypeImageManifest, manifest.MediaTypeDockerManifest:
		_, err = manifest.ParseManifest(data, d.MediaType)
	default:
		err = fmt.Errorf("type %s: neither an image nor an index of images", image.Quote(d.MediaType))
	}
	return d, err
}

// Source is a repository as a source of images.
type Source struct {
	*Repository
	Ctx context.Context // of reading documents
}

// ReadBlob fetches a document.
func (r Source) ReadBlob(d v1.Descriptor) (data []byte, err error) {
	if err := errors.Join(verify.CheckSize(d), verify.Digest(d.Digest)); err != nil {
		return nil, err
	}
	if !slices.Contains(manifest.Types, d.MediaType) {
		err = r.try(r.Ctx, func() error {
			data, err = verify.Document(d, func() (io.ReadCloser, error) { return r.Open(r.Ctx, d, 0) })
			return err
		})
		return data, err
	}
	got, data, err := r.manifest(r.Ctx, string(d.Digest), d.Digest)
	if err != nil {
		return nil, err
	}
	if got.MediaType != d.MediaType || got.Size != d.Size {
		return nil, fmt.Errorf("manifest %s: the registry has %d bytes of type %s, its descriptor says %d of %s: %w",
			d.Digest, got.Size, image.Quote(got.MediaType), d.Size, image.Quote(d.MediaType), verify.ErrMismatch)
	}
	return data, nil
}

// Open gets a blob from an offset on. A document's manifest is none.
func (r Source) Open(ctx context.Context, d v1.Descriptor, offset int64) (io.ReadCloser, error) {
	if err := verify.Digest(d.Digest); err != nil {
		return nil, err
	}
	if slices.Contains(manifest.Types, d.MediaType) {
		_, data, err := r.manifest(ctx, string(d.Digest), d.Digest)
		if err != nil {
			return nil, err
		}
		return io.NopCloser(stream.Slice(data, offset)), nil
	}
	body, err := r.blob(ctx, d, offset, offset)
	if errors.Is(err, errNoRange) { // from the beginning, and what we have is skipped
		body, err = r.blob(ctx, d, 0, offset)
	}
	return body, err
}

// errNoRange is given when a registry does not know ranges, or not rightly.
var errNoRange = errors.New("the registry gives no part of a blob")

// blob asks for a blob from the offset on that is asked for, and gives it from
// the offset on that is wanted.
func (r Source) blob(ctx context.Context, d v1.Descriptor, ask, want int64) (io.ReadCloser, error) {
	path, header := "/blobs/"+string(d.Digest), map[string]string{}
	ok := []int{http.StatusOK}
	if ask > 0 {
		header["Range"] = "bytes=" + strconv.FormatInt(ask, 10) + "-"
		ok = append(ok, http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable)
	}
	resp, err := r.send(ctx, http.MethodGet, path, header, ok...)
	if err != nil {
		return nil, err
	}
	if err := startAt(resp, d.Size, ask, want); err != nil {
		return nil, errors.Join(fmt.Errorf("%s%s: %w", r.base, path, err), resp.Body.Close())
	}
	return resp.Body, nil
}

// startAt makes sure that the body begins at the offset that is wanted. What is
// asked for a part may give the whole, another part, or none.
func startAt(resp *http.Response, size, ask, want int64) error {
	switch resp.StatusCode {
	case http.StatusRequestedRangeNotSatisfiable:
		return errNoRange
	case http.StatusPartialContent:
		begin := "bytes " + strconv.FormatInt(ask, 10) + "-"
		whole := "/" + strconv.FormatInt(size, 10)
		got := resp.Header.Get("Content-Range")
		if !strings.HasPrefix(got, begin) || !strings.HasSuffix(got, whole) && !strings.HasSuffix(got, "/*") {
			return fmt.Errorf("Content-Range %s: asked for %s: %w", image.Quote(got), image.Quote(begin), errNoRange)
		}
		if n := resp.ContentLength; n >= 0 && n != size-ask {
			return fmt.Errorf("the registry sends %d bytes of the %d that are left: %w", n, size-ask, errNoRange)
		}
		return nil
	}
	if n := resp.ContentLength; n >= 0 && n != size {
		return fmt.Errorf("the registry sends %d bytes, the descriptor says %d: %w", n, size, verify.ErrMismatch)
	}
	_, err := io.CopyN(io.Discard, resp.Body, want)
	return err
}
