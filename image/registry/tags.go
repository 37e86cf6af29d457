package registry

// The tags of a repository (distribution-spec, "Listing Tags").

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/netbsd-cells/runcell/image"
)

// The most that is taken of a list of tags: it has no end that a registry would
// have to come to.
const (
	maxTags  = 100_000
	maxPages = 1000
	// maxList is how many bytes all pages may have: twice what the most tags need.
	maxList = 2 * maxTags * (tagLength + 3)
	// tagLength is the longest tag (distribution-spec, "Pulling manifests").
	tagLength = 128
)

// tagsPath is where the list begins.
const tagsPath = "/tags/list"

// Tags gives all tags of the repository, sorted. An answer that is no list of tags
// is an error, and so is a list that is longer than anybody reads.
func (r *Repository) Tags(ctx context.Context) ([]string, error) {
	tags := []string{}
	seen := map[string]bool{}
	size := 0 // in bytes
	for path := tagsPath; path != ""; {
		if seen[path] = true; len(seen) > maxPages {
			return nil, fmt.Errorf("%s%s: more than %d pages of tags", r.base, tagsPath, maxPages)
		}
		h, data, err := r.document(ctx, path, map[string]string{"Accept": "application/json"})
		if err != nil {
			return nil, err
		}
		page, err := parseTags(data)
		if err == nil && len(tags)+len(page) > maxTags {
			err = fmt.Errorf("more than %d tags", maxTags)
		}
		if size += len(data); err == nil && size > maxList {
			err = fmt.Errorf("more than %d bytes in the pages of tags so far", maxList)
		}
		next := ""
		if err == nil {
			next, err = nextPage(r.base+path, h)
		}
		if err == nil && seen[next] {
			err = fmt.Errorf("the next page is one before: %s", image.Quote(next))
		}
		if err != nil {
			return nil, fmt.Errorf("%s%s: %w", r.base, path, err)
		}
		tags, path = append(tags, page...), next
	}
	slices.Sort(tags)
	return slices.Compact(tags), nil
}

// tagShape is what a tag looks like (distribution-spec, "Pulling manifests").
var tagShape = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)

// parseTags reads one page. A repository without tags may have null for a list.
func parseTags(data []byte) ([]string, error) {
	var page struct {
		Tags json.RawMessage `json:"tags"`
	}
	if err := json.Unmarshal(data, &page); err != nil {
		return nil, fmt.Errorf("it is no list of tags: %w", err)
	}
	if page.Tags == nil {
		return nil, errors.New(`it is no list of tags: it has no member "tags"`)
	}
	var tags []string
	if err := json.Unmarshal(page.Tags, &tags); err != nil {
		return nil, fmt.Errorf("it is no list of tags: %w", err)
	}
	for _, tag := range tags {
		if !tagShape.MatchString(tag) {
			return nil, fmt.Errorf("%s is no tag", image.Quote(tag))
		}
	}
	return tags, nil
}

// nextPage gives the path and query of the page after the one at the URL from, "" if
// it is the last. Registries behind a proxy often have another scheme or host in
// the link than the one that was asked: the page is asked of that one all the same.
func nextPage(from string, h http.Header) (string, error) {
	target, found := nextLink(h.Values("Link"))
	if !found {
		return "", nil
	}
	at, err := url.Parse(from)
	if err != nil {
		return "", err
	}
	to, err := at.Parse(target)
	if err != nil {
		return "", fmt.Errorf("the next page is no URL: %s", image.Quote(target))
	}
	if to.Path != at.Path || to.RawQuery == "" {
		return "", fmt.Errorf("the next page is elsewhere: %s", image.Quote(target))
	}
	return tagsPath + "?" + to.RawQuery, nil
}

// nextLink finds the target whose relation is "next" in the values of Link (RFC
// 8288, 3). It takes what it understands.
func nextLink(values []string) (target string, found bool) {
	for _, v := range values {
		s := scanner{v}
		for {
			s.skip(" \t,")
			rest, isTarget := strings.CutPrefix(s.rest, "<")
			end := strings.IndexByte(rest, '>')
			if !isTarget || end < 0 {
				break
			}
			target, s.rest = rest[:end], rest[end+1:]
			if s.isNext() {
				return target, true
			}
		}
	}
	return "", false
}

// isNext reads the parameters of a link, and tells whether its relation is "next".
func (s *scanner) isNext() (next bool) {
	for first := true; ; {
		s.skip(" \t")
		if !strings.HasPrefix(s.rest, ";") {
			return next
		}
		s.skip("; \t")
		name := s.token()
		value := ""
		s.skip(" \t")
		if strings.HasPrefix(s.rest, "=") {
			s.skip("= \t")
			value, _ = s.value()
		}
		if strings.EqualFold(name, "rel") && first { // the first one counts
			next, first = slices.Contains(strings.Fields(strings.ToLower(value)), "next"), false
		}
	}
}
