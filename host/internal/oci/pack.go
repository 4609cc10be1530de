package oci

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"runtime/debug"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"banger.dev/host/internal/ext4"
	"banger.dev/host/internal/oci/blobs"
	"banger.dev/host/internal/oci/fault"
	"banger.dev/host/internal/oci/images"
	"banger.dev/host/internal/oci/pack"
	"banger.dev/host/internal/overlay"
)

// packOptions are those of packImage.
type packOptions struct {
	store, rootfs, overlay, config, createdBy *string
	parent, platform                          *string
	leaveOut                                  texts
	limits                                    pack.Limits
}

func parsePack(args []string) (*packOptions, error) {
	flags := flag.NewFlagSet("oci pack", flag.ContinueOnError)
	o := &packOptions{
		store:     flags.String("store", "", "folder of the store"),
		rootfs:    flags.String("rootfs", "", "file with an ext4 file system"),
		overlay:   flags.String("overlay", "", "overlay drive of a VM that booted from it, as a raw file"),
		parent:    flags.String("parent", "", "digest of the manifest of which --rootfs was made"),
		config:    flags.String("config", "", "file with the image's configuration, when there is no parent"),
		platform:  flags.String("platform", defaultPlatform, "OS/ARCH[/VARIANT]"),
		createdBy: flags.String("created-by", "banger", "what the image's history says"),
	}
	flags.Var(&o.leaveOut, "leave-out", "path in the VM that is not its own")
	flags.Int64Var(&o.limits.MaxBytes, "max-bytes", defaultMaxBytes, "most bytes of all files")
	flags.Int64Var(&o.limits.MaxEntries, "max-entries", defaultMaxEntries, "most files")
	err := parse(flags, args, o.store, o.rootfs)
	if err == nil && (o.limits.MaxBytes <= 0 || o.limits.MaxEntries <= 0) {
		err = errUsage
	}
	return o, err
}

// packImage makes an image of a file system: of one layer, or of one on top of the parent's. With an overlay
// drive it is that of a VM, without what belongs to that VM alone.
func packImage(ctx context.Context, args []string, lines *lines) (any, error) {
	o, err := parsePack(args)
	if err != nil {
		return nil, err
	}
	about := pack.About{CreatedBy: *o.createdBy, Created: time.Now().UTC().Truncate(time.Second)}
	if about.Platform, err = platformOf(*o.platform); err != nil {
		return nil, err
	}
	if *o.parent != "" {
		if about.Parent, err = v1.NewHash(*o.parent); err != nil {
			return nil, errUsage
		}
	}
	if about.Config, err = readConfig(*o.config); err != nil {
		return nil, err
	}
	debug.SetMemoryLimit(memoryBytes)
	store, err := blobs.Open(*o.store)
	if err != nil {
		return nil, err
	}
	request := pack.Request{Store: store, LeaveOut: o.leaveOut, Limits: o.limits, Progress: &packed{lines: lines}}
	closeAll, err := o.open(&request)
	if err != nil {
		return nil, err
	}
	defer closeAll()
	request.IsOnBase = *o.parent != "" && request.Base != nil
	layer, err := pack.Make(ctx, request)
	if err != nil {
		return nil, err
	}
	image, err := pack.AddImage(ctx, store, layer, about)
	return map[string]any{"image": image, "leftOut": layer.LeftOut, "layerEntries": layer.Entries}, err
}

// open opens the file system, and its base for that of a VM.
func (o *packOptions) open(request *pack.Request) (closeAll func(), err error) {
	var files []*os.File
	closeAll = func() {
		for _, file := range files {
			_ = file.Close()
		}
	}
	defer func() {
		if err != nil {
			closeAll()
		}
	}()
	open := func(path string) (*os.File, int64, error) {
		file, err := os.Open(path)
		if err != nil {
			return nil, 0, err
		}
		files = append(files, file)
		info, err := file.Stat()
		return file, info.Size(), err
	}
	base, baseBytes, err := open(*o.rootfs)
	if err != nil {
		return closeAll, err
	}
	if *o.overlay == "" {
		request.Now, err = openImage(base)
		return closeAll, err
	}
	if request.Base, err = openImage(base); err != nil {
		return closeAll, err
	}
	drive, driveBytes, err := open(*o.overlay)
	if err != nil {
		return closeAll, err
	}
	view, err := overlay.Open(base, baseBytes, drive, driveBytes)
	if err != nil {
		return closeAll, unreadable(err)
	}
	request.IsCleaned, request.IsOfBase = true, view.IsOfBase
	request.Now, err = openImage(view)
	return closeAll, err
}

func openImage(from io.ReaderAt) (*ext4.Image, error) {
	image, err := ext4.OpenImage(from)
	if err != nil {
		return nil, unreadable(err)
	}
	return image, nil
}

func unreadable(err error) error {
	return fault.Final(fault.Damaged, "Cannot read the file system: %v", err)
}

const maxConfigBytes = 1 << 20

// readConfig reads the configuration of an image; a missing name stands for an empty one.
func readConfig(path string) (images.Config, error) {
	var config images.Config
	if path == "" {
		return config, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return config, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxConfigBytes+1))
	if err == nil && len(content) > maxConfigBytes {
		err = errors.New("the configuration has too many bytes")
	}
	if err != nil {
		return config, err
	}
	return config, json.Unmarshal(content, &config)
}

// packed is the progress of making a layer.
type packed struct {
	lines *lines
	lock  sync.Mutex
	state struct {
		Bytes     int64 `json:"bytes"`
		BytesDone int64 `json:"bytesDone"`
	}
}

func (p *packed) Expect(bytes int64) { p.change(func() { p.state.Bytes = bytes }) }

func (p *packed) Done(bytes int64) { p.change(func() { p.state.BytesDone += bytes }) }

func (p *packed) change(change func()) {
	p.lock.Lock()
	defer p.lock.Unlock()
	change()
	p.lines.progress(p.state)
}
