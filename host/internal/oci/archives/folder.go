package archives

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"banger.dev/host/internal/oci/images"
)

// importFolder imports a folder as an image of one layer. What belongs to the user belongs to root in the
// image, unless root imports it. Sockets and other file systems that are mounted in the folder are left out.
func importFolder(ctx context.Context, r Request) (images.Summary, error) {
	info, err := os.Stat(r.Path)
	if err != nil {
		return images.Summary{}, missing(err)
	}
	if !info.IsDir() {
		return images.Summary{}, bad("%q is no folder", r.Path)
	}
	return r.fromLayer(ctx, func(dir string) (member, error) {
		return r.pack(ctx, filepath.Join(dir, "layer"))
	})
}

// pack writes the folder to a compressed tar archive, always the same bytes for the same folder.
func (r Request) pack(ctx context.Context, into string) (member, error) {
	file, err := os.OpenFile(into, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return member{}, err
	}
	defer file.Close()
	sum := sha256.New()
	encoder, err := zstd.NewWriter(io.MultiWriter(file, sum), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return member{}, err
	}
	p := &packer{request: r, ctx: ctx, out: tar.NewWriter(encoder), first: map[fileID]string{}, uid: os.Geteuid(), gid: os.Getegid()}
	err = filepath.WalkDir(r.Path, p.add)
	if err = errors.Join(err, p.out.Close(), encoder.Close()); err != nil {
		return member{}, wrong(err)
	}
	info, err := file.Stat()
	if err != nil {
		return member{}, err
	}
	digest := v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}
	return member{into, digest, info.Size()}, nil
}

type fileID struct{ device, inode uint64 }

type packer struct {
	request  Request
	ctx      context.Context
	out      *tar.Writer
	uid, gid int
	// device is that of the folder.
	device uint64
	// first has the first name of files with several.
	first map[fileID]string
}

func (p *packer) add(path string, _ fs.DirEntry, err error) error {
	if err == nil {
		err = p.ctx.Err()
	}
	if err != nil {
		return err
	}
	var stat unix.Stat_t
	if err := unix.Lstat(path, &stat); err != nil {
		return &os.PathError{Op: "lstat", Path: path, Err: err}
	}
	name, err := filepath.Rel(p.request.Path, path)
	if err != nil {
		return err
	}
	if name == "." {
		p.device = stat.Dev
	}
	header, err := p.headerOf(path, name, &stat)
	if err != nil || header == nil {
		return err
	}
	if err := p.out.WriteHeader(header); err != nil {
		return bad("%q: %v", name, err)
	}
	if header.Typeflag == tar.TypeReg {
		if err := p.copy(path, header.Size); err != nil {
			return err
		}
	}
	if stat.Dev != p.device && header.Typeflag == tar.TypeDir {
		return fs.SkipDir
	}
	return nil
}

func (p *packer) copy(path string, size int64) error {
	descriptor, err := unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	file := os.NewFile(uintptr(descriptor), path)
	defer file.Close()
	n, err := io.Copy(p.out, &watched{p.ctx, io.LimitReader(file, size), p.request.Progress})
	if err == nil && n < size {
		return bad("%q became shorter while it was read", path)
	}
	return err
}
