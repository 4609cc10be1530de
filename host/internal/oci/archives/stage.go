package archives

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"banger.dev/host/internal/oci/images"
	"banger.dev/host/internal/oci/layers"
)

const (
	maxMembers     = 100_000
	maxMemberLinks = 10
)

// staged are the files of an archive, unpacked under names that are only numbers.
type staged struct {
	request Request
	members map[string]member
	links   map[string]string
}

// member is a file of an archive.
type member struct {
	path   string
	digest v1.Hash
	size   int64
}

// stage unpacks an archive, which may be compressed, into a folder.
func (r Request) stage(ctx context.Context, archive io.Reader, dir string) (*staged, error) {
	stream, err := layers.Decompress(&watched{ctx, archive, r.Progress})
	if err != nil {
		return nil, bad("%q is damaged: %v", r.Path, err)
	}
	defer stream.Close()
	s := &staged{r, map[string]member{}, map[string]string{}}
	left := int64(images.MaxLayerBytes)
	reader := tar.NewReader(stream)
	for count := 0; ; count++ {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return s, nil
		}
		if err == nil && count == maxMembers {
			err = bad("%q has more than %d files", r.Path, maxMembers)
		}
		if err == nil {
			err = s.take(header, reader, filepath.Join(dir, strconv.Itoa(count)), &left)
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			return nil, wrong(err)
		}
	}
}

// take unpacks one file. Of several with one name the last one counts.
func (s *staged) take(header *tar.Header, content io.Reader, into string, left *int64) error {
	name := path.Clean(header.Name)
	switch header.Typeflag {
	case tar.TypeSymlink:
		s.links[name] = path.Join(path.Dir(name), header.Linkname)
	case tar.TypeLink:
		s.links[name] = path.Clean(header.Linkname)
	case tar.TypeReg:
		if *left -= header.Size; *left < 0 {
			return bad("%q has more than %d bytes", s.request.Path, int64(images.MaxLayerBytes))
		}
		made, err := writeHashed(into, content)
		if err != nil {
			return err
		}
		s.members[name] = made
		delete(s.links, name)
	}
	return nil
}

// writeHashed writes a file and returns its digest.
func writeHashed(into string, content io.Reader) (member, error) {
	file, err := os.OpenFile(into, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return member{}, err
	}
	sum := sha256.New()
	size, err := io.Copy(io.MultiWriter(file, sum), content)
	digest := v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}
	return member{into, digest, size}, errors.Join(err, file.Close())
}

func digestOf(content []byte) (v1.Hash, error) {
	digest, _, err := v1.SHA256(bytes.NewReader(content))
	return digest, err
}

// find returns a file by its name, or by that of a link to it.
func (s *staged) find(name string) (member, error) {
	at := path.Clean(name)
	for range maxMemberLinks {
		if found, isThere := s.members[at]; isThere {
			return found, nil
		}
		target, isLink := s.links[at]
		if !isLink {
			break
		}
		at = target
	}
	return member{}, bad("%q has no file %q", s.request.Path, name)
}

func (s *staged) read(name string, most int64) ([]byte, error) {
	found, err := s.find(name)
	if err != nil {
		return nil, err
	}
	if found.size > most {
		return nil, bad("%q has %d bytes, of %d at most", name, found.size, most)
	}
	return os.ReadFile(found.path)
}

// bring moves a file of the archive to its place in the store.
func (s *staged) bring(_ context.Context, name string, digest v1.Hash, size int64) error {
	if s.request.Store.Has(digest, size) {
		return nil
	}
	found, err := s.find(name)
	if err != nil {
		return err
	}
	if found.digest != digest || found.size != size {
		return bad("%q has the digest %q and %d bytes, not %q and %d bytes", name, found.digest, found.size, digest, size)
	}
	return s.request.Store.Adopt(found.path, digest)
}

// has reports whether the archive has a file.
func (s *staged) has(name string) bool {
	return !strings.HasPrefix(name, "..") && s.members[name] != member{}
}

// watched reports what is read of an archive, and ends the reading when the work is cancelled.
type watched struct {
	ctx      context.Context
	from     io.Reader
	progress Progress
}

func (w *watched) Read(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := w.from.Read(p)
	w.progress.Got(int64(n))
	return n, err
}
