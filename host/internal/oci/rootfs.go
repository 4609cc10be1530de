package oci

import (
	"context"
	"encoding/hex"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"banger.dev/host/internal/ext4"
	"banger.dev/host/internal/oci/blobs"
	"banger.dev/host/internal/oci/fault"
	"banger.dev/host/internal/oci/images"
	"banger.dev/host/internal/oci/layers"
	"banger.dev/host/internal/oci/rootfs"
)

// Defaults of what an image may unpack to, and of the room in it.
const (
	defaultFreeBytes  = 512 << 20
	defaultMaxBytes   = 64 << 30
	defaultMaxEntries = 1_000_000
	// memoryBytes is when the garbage collector works harder.
	memoryBytes = 128 << 20
)

// makeRootfs makes a root file system of an image that is in the store.
func makeRootfs(ctx context.Context, args []string, lines *lines) (any, error) {
	flags := flag.NewFlagSet("oci rootfs", flag.ContinueOnError)
	store := flags.String("store", "", "folder of the store")
	manifestText := flags.String("manifest", "", "digest of the image's manifest")
	out := flags.String("out", "", "file for the file system")
	free := flags.Int64("free", defaultFreeBytes, "bytes that remain free in it")
	var limits layers.Limits
	flags.Int64Var(&limits.MaxBytes, "max-bytes", defaultMaxBytes, "most bytes that the image may unpack to")
	flags.Int64Var(&limits.MaxEntries, "max-entries", defaultMaxEntries, "most entries that its layers may have")
	if err := parse(flags, args, store, manifestText, out); err != nil {
		return nil, err
	}
	digest, err := v1.NewHash(*manifestText)
	if err != nil || digest.Algorithm != "sha256" || *free < 0 || limits.MaxBytes <= 0 || limits.MaxEntries <= 0 {
		return nil, errUsage
	}
	debug.SetMemoryLimit(memoryBytes)
	from, err := blobs.Open(*store)
	if err != nil {
		return nil, err
	}
	request, bytes, err := requestFor(from, digest)
	if err != nil {
		return nil, err
	}
	progress := &unpacked{lines: lines}
	progress.state.Bytes = bytes
	request.Limits, request.FreeBytes, request.Progress = limits, *free, progress.read
	var summary rootfs.Summary
	err = writeBeside(*out, func(file *os.File) error {
		var err error
		summary, err = rootfs.Build(ctx, file, request)
		return err
	})
	return map[string]any{"rootfs": summary}, explainFull(err)
}

// requestFor reads what the store has of an image. It also returns how many bytes of layers will be read.
func requestFor(store *blobs.Store, digest v1.Hash) (rootfs.Request, int64, error) {
	manifest, config, err := images.Read(store, digest)
	if err != nil {
		return rootfs.Request{}, 0, err
	}
	diffIDs := config.RootFS.DiffIDs
	if len(diffIDs) != 0 && len(diffIDs) != len(manifest.Layers) {
		return rootfs.Request{}, 0, fault.Final(fault.Damaged, "Cannot unpack the image: its configuration has another number of layers than its manifest").
			WithHint("pull or import the image again")
	}
	id, err := hex.DecodeString(digest.Hex)
	if err != nil || len(id) < 16 {
		return rootfs.Request{}, 0, errUsage
	}
	request := rootfs.Request{UUID: [16]byte(id[:16]), Made: config.Created.Time}
	var bytes int64
	for at, layer := range manifest.Layers {
		next := rootfs.Layer{Open: func() (io.ReadCloser, error) { return store.Open(layer.Digest) }}
		if len(diffIDs) > 0 {
			next.DiffID = diffIDs[at].Hex
		}
		request.Layers = append(request.Layers, next)
		bytes += 2 * layer.Size
	}
	return request, bytes, nil
}

// writeBeside makes a file with a temporary name, and gives it its name when it is whole. A failure leaves
// nothing.
func writeBeside(path string, fill func(file *os.File) error) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".part-")
	if err != nil {
		return err
	}
	err = fill(file)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// explainFull says what it means when the content did not fit: this program chose the size.
func explainFull(err error) error {
	var refused *ext4.EntryError
	if errors.As(err, &refused) {
		return fault.Final(fault.ArchiveBad, "Cannot unpack the image: %v", refused)
	}
	return err
}
