package oci

import (
	"context"
	"flag"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"banger.dev/host/internal/oci/blobs"
	"banger.dev/host/internal/oci/credentials"
	"banger.dev/host/internal/oci/registry"
)

// push brings an image of a store to a registry.
func push(ctx context.Context, args []string, lines *lines) (any, error) {
	flags := flag.NewFlagSet("oci push", flag.ContinueOnError)
	store := flags.String("store", "", "folder of the store")
	manifestText := flags.String("manifest", "", "digest of the image's manifest")
	ref := flags.String("ref", "", "where the image is to go")
	var insecure, authFiles, mountFrom texts
	flags.Var(&insecure, "insecure", "HOST or HOST:PORT that needs no TLS")
	flags.Var(&authFiles, "auth", "file with credentials, in place of those of Docker and Podman")
	flags.Var(&mountFrom, "mount-from", "name of an image that has some of the layers")
	if err := parse(flags, args, store, manifestText, ref); err != nil {
		return nil, err
	}
	digest, err := v1.NewHash(*manifestText)
	if err != nil {
		return nil, errUsage
	}
	upload := registry.Upload{Manifest: digest}
	if upload.To, err = registry.ParseReference(*ref); err != nil {
		return nil, err
	}
	for _, text := range mountFrom {
		from, err := registry.ParseReference(text)
		if err != nil {
			return nil, err
		}
		upload.MountFrom = append(upload.MountFrom, from.Context())
	}
	from, err := blobs.Open(*store)
	if err != nil {
		return nil, err
	}
	if len(authFiles) == 0 {
		authFiles = credentials.DefaultFiles(os.Getenv)
	}
	pusher := registry.NewPuller(registry.Options{
		Store: from, Insecure: insecure, AuthFiles: authFiles,
		Stall: registry.PushStall, Backoff: registry.DefaultBackoff,
	})
	defer pusher.Close()
	pushed, err := pusher.Push(ctx, upload, &pulled{lines: lines})
	return map[string]any{"pushed": pushed}, err
}
