package oci

import (
	"context"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"banger.dev/host/internal/oci/archives"
	"banger.dev/host/internal/oci/blobs"
	"banger.dev/host/internal/oci/fault"
	"banger.dev/host/internal/oci/registry"
)

// exportImage writes an image of the store to an archive.
func exportImage(ctx context.Context, args []string, lines *lines) (any, error) {
	flags := flag.NewFlagSet("oci export", flag.ContinueOnError)
	storeDir := flags.String("store", "", "folder of the store")
	manifestText := flags.String("manifest", "", "digest of the image's manifest")
	out := flags.String("out", "", "file for the archive")
	name := flags.String("name", "", "reference that the archive gives the image")
	if err := parse(flags, args, storeDir, manifestText, out); err != nil {
		return nil, err
	}
	digest, err := v1.NewHash(*manifestText)
	if err != nil {
		return nil, errUsage
	}
	request := archives.ExportRequest{Manifest: digest, Progress: &pulled{lines: lines}}
	if *name != "" {
		if request.Name, err = registry.ParseReference(*name); err != nil {
			return nil, err
		}
	}
	if request.Store, err = blobs.Open(*storeDir); err != nil {
		return nil, err
	}
	var exported archives.Exported
	err = writeBeside(*out, func(file *os.File) error {
		var err error
		exported, err = archives.Export(ctx, file, request)
		return err
	})
	return map[string]any{"exported": exported}, explainPath(*out, err)
}

// explainPath says what is wrong with a file that the user has named.
func explainPath(path string, err error) error {
	if _, isKnown := fault.Of(err); isKnown || err == nil {
		return err
	}
	var at *fs.PathError
	var renamed *os.LinkError
	why := error(nil)
	switch {
	case errors.As(err, &renamed):
		why = renamed.Err
	case errors.As(err, &at) && filepath.Dir(at.Path) == filepath.Dir(path):
		why = at.Err
	default:
		return err
	}
	return fault.Final(fault.FileUnwritable, "Cannot write %q: %v", path, why).WithHint("give a file in a folder that you may write to")
}
