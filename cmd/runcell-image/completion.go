package main

// What can stand in the place of an argument of runcell image, for the shells.

import (
	"os"
	"strings"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/cmd/internal/completion"
	"github.com/netbsd-cells/runcell/image/pack"
	"github.com/netbsd-cells/runcell/image/reference"
	"github.com/netbsd-cells/runcell/image/store"
	"github.com/netbsd-cells/runcell/runtime"
	"github.com/urfave/cli/v3"
)

// completionCommand answers for this program: runcell has the scripts.
func completionCommand() *cli.Command {
	return &cli.Command{Name: "completion", Hidden: true, Commands: []*cli.Command{completion.Command(completions, nil)}}
}

func completions() completion.Table {
	archive := completion.Behind("oci-archive:", "a tar archive of an image layout", completion.Files)
	docker := completion.Behind("docker-archive:", "what docker save and podman save make", completion.Files)
	layout := completion.Behind("oci:", "an image layout in a directory", completion.Dirs)
	place := completion.Any(layout, archive, completion.Paths)
	image := completion.Any(offerNames, place)
	return completion.Table{
		Args: map[string][]completion.Offer{
			"image pull": {offerNames}, "image import": {completion.Any(place, docker), offerNames}, "image push": {offerNames, place},
			"image list": nil, "image inspect": {offerNames}, "image tag": {offerNames, offerNames}, "image unpack": {image, completion.Dirs}, "image pack": {completion.Dirs, image}, "image config": {image, image},
			"image from-sets": {completion.Files}, "image diff": {completion.Any(offerContainers, completion.Dirs)}, "image bundle": {offerNames, completion.Dirs},
			"image release": {completion.Dirs}, "image wrap": {completion.Dirs, completion.Files}, "image unwrap": {completion.Files, completion.Dirs}, "image verify": {offerNames}, "image rm": {offerNames}, "image gc": nil,
			"registry login": {offerRegistries}, "registry logout": {offerRegistries},
			"completion words": nil, "help": nil,
		},
		Repeats: []string{"image from-sets", "image rm"},
		Flags: map[string]completion.Offer{
			"DIR": completion.Dirs, "FILE": completion.Files, "SOCKET": completion.Files, "IMAGE": image, "SIGNAL": completion.Signals,
			"OS/ARCH[/VARIANT]": completion.Platforms, "workdir": nil, "volume": nil, // directories of the image
			"REPOSITORY": offerRepositories, "FIELD[=NAME]": completion.Plain(pack.Fields()...),
			"json": completion.Plain("json"), // where there is no other format
		},
	}
}

// offerContainers offers the containers' IDs.
func offerContainers(q completion.Query) (words []completion.Word) {
	root, given := q.Flags["root"]
	dir, err := cmdline.StateDir(root, given, os.Geteuid(), os.Getenv)
	if err != nil || q.Unknown && given {
		return nil // a shell has no use for the message
	}
	list, _ := runtime.New(runtime.Options{Root: dir}).List()
	for _, s := range list {
		words = append(words, completion.Word{Text: s.ID, About: string(s.Status)})
	}
	return words
}

// offerRegistries offers those of the names in the store.
func offerRegistries(q completion.Query) (words []completion.Word) {
	for _, w := range offerRepositories(q) {
		host, _, _ := strings.Cut(w.Text, "/")
		words = append(words, completion.Word{Text: host})
	}
	return words
}

// offerRepositories offers those of the names in the store.
func offerRepositories(q completion.Query) (words []completion.Word) {
	for _, name := range offerNames(q) {
		n, short, err := reference.ParseName(name.Text)
		if err == nil && !short && n.Registry != reference.LocalRegistry {
			words = append(words, completion.Word{Text: n.Registry + "/" + n.Repository})
		}
	}
	return words
}

func offerNames(q completion.Query) []completion.Word {
	dir, given := q.Flags["store"]
	if q.Unknown && given {
		return nil
	}
	if !given {
		var err error
		if dir, err = store.DefaultPath(); err != nil {
			return nil // a shell has no use for the message
		}
	}
	names, err := store.Names(dir)
	if err != nil {
		return nil
	}
	return completion.ImageNames(names)
}
