package oci

import (
	"context"
	"flag"
	"os"

	"banger.dev/host/internal/oci/blobs"
	"banger.dev/host/internal/oci/credentials"
	"banger.dev/host/internal/oci/registry"
)

const defaultPlatform = "linux/amd64"

// pull brings an image of a registry into a store.
func pull(ctx context.Context, args []string, lines *lines) (any, error) {
	flags := flag.NewFlagSet("oci pull", flag.ContinueOnError)
	store := flags.String("store", "", "folder of the store")
	ref := flags.String("ref", "", "name of the image")
	platformText := flags.String("platform", defaultPlatform, "OS/ARCH[/VARIANT]")
	var insecure, mirrorTexts, authFiles texts
	flags.Var(&insecure, "insecure", "HOST or HOST:PORT that needs no TLS")
	flags.Var(&mirrorTexts, "mirror", "HOST=URL of a place that has the images of a registry")
	flags.Var(&authFiles, "auth", "file with credentials, in place of those of Docker and Podman")
	if err := parse(flags, args, store, ref); err != nil {
		return nil, err
	}
	platform, err := platformOf(*platformText)
	if err != nil {
		return nil, err
	}
	var mirrors []registry.Mirror
	for _, text := range mirrorTexts {
		mirror, err := registry.ParseMirror(text)
		if err != nil {
			return nil, errUsage
		}
		mirrors = append(mirrors, mirror)
	}
	reference, err := registry.ParseReference(*ref)
	if err != nil {
		return nil, err
	}
	into, err := blobs.Open(*store)
	if err != nil {
		return nil, err
	}
	if len(authFiles) == 0 {
		authFiles = credentials.DefaultFiles(os.Getenv)
	}
	puller := registry.NewPuller(registry.Options{
		Store: into, Insecure: insecure, Mirrors: mirrors, AuthFiles: authFiles,
		Stall: registry.DefaultStall, Backoff: registry.DefaultBackoff,
	})
	defer puller.Close()
	image, err := puller.Pull(ctx, reference, platform, &pulled{lines: lines})
	return map[string]any{"image": image}, err
}
