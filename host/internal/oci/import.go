package oci

import (
	"context"
	"flag"
	"os"
	"strings"

	"banger.dev/host/internal/oci/archives"
	"banger.dev/host/internal/oci/blobs"
)

// importImage brings an image of this host's files into a store.
func importImage(ctx context.Context, args []string, lines *lines) (any, error) {
	flags := flag.NewFlagSet("oci import", flag.ContinueOnError)
	store := flags.String("store", "", "folder of the store")
	from := flags.String("from", "", "KIND:PATH, or KIND:PATH:NAME for one of several images")
	platformText := flags.String("platform", defaultPlatform, "OS/ARCH[/VARIANT]")
	if err := parse(flags, args, store, from); err != nil {
		return nil, err
	}
	platform, err := platformOf(*platformText)
	if err != nil {
		return nil, err
	}
	kind, place, _ := strings.Cut(*from, ":")
	importer := archives.Importers[kind]
	if importer == nil || place == "" {
		return nil, errUsage
	}
	into, err := blobs.Open(*store)
	if err != nil {
		return nil, err
	}
	request := archives.Request{Store: into, Platform: platform, Progress: &pulled{lines: lines}}
	request.Path, request.Name = splitName(place)
	image, err := importer(ctx, request)
	return map[string]any{"image": image}, err
}

// splitName separates a path from the name of an image after it. A path that exists has no name after it.
func splitName(place string) (path, name string) {
	if _, err := os.Lstat(place); err == nil {
		return place, ""
	}
	for at := range place {
		if place[at] != ':' {
			continue
		}
		if _, err := os.Lstat(place[:at]); err == nil {
			return place[:at], place[at+1:]
		}
	}
	return place, ""
}
