package oci

import (
	"context"
	"flag"
)

const defaultPlatform = "linux/amd64"

// pull brings an image of a registry into a store.
func pull(ctx context.Context, args []string, lines *lines) (any, error) {
	flags := flag.NewFlagSet("oci pull", flag.ContinueOnError)
	from := addSource(flags)
	platformText := flags.String("platform", defaultPlatform, "OS/ARCH[/VARIANT]")
	if err := parse(flags, args, from.store, from.ref); err != nil {
		return nil, err
	}
	platform, err := platformOf(*platformText)
	if err != nil {
		return nil, err
	}
	source, err := from.open()
	if err != nil {
		return nil, err
	}
	defer source.puller.Close()
	image, err := source.puller.Pull(ctx, source.reference, platform, &pulled{lines: lines})
	return map[string]any{"image": image}, err
}
