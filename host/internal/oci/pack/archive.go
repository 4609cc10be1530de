package pack

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"strings"

	"banger.dev/host/internal/ext4"
)

const (
	whiteoutPrefix = ".wh."
	xattrRecord    = "SCHILY.xattr."
)

// nodeKey tells nodes of the two images apart.
type nodeKey struct {
	isOfBase bool
	number   uint32
}

// archive writes files as the entries of a layer.
type archive struct {
	ctx     context.Context
	out     *tar.Writer
	names   map[nodeKey]string
	entries int
	// leftOut are the paths that no layer can have.
	leftOut []string
	// done learns how many bytes of files were dealt with.
	done func(bytes int64)
}

func newArchive(ctx context.Context, out io.Writer, done func(bytes int64)) *archive {
	return &archive{ctx: ctx, out: tar.NewWriter(out), names: map[nodeKey]string{}, done: done}
}

// addAll writes a file and all below it.
func (a *archive) addAll(path string, f *file) error {
	if strings.HasPrefix(f.name, whiteoutPrefix) {
		// In a layer, that name would delete another file.
		a.leftOut = append(a.leftOut, "/"+path)
		return nil
	}
	if err := a.add(path, f); err != nil {
		return err
	}
	for _, child := range f.children {
		if err := a.addAll(below(path, child.name), child); err != nil {
			return err
		}
	}
	return nil
}

// below returns the path of a file in a folder; the top is "".
func below(folder, name string) string {
	if folder == "" {
		return name
	}
	return folder + "/" + name
}

// add writes one file. Sockets belong to programs that run, and are left out.
func (a *archive) add(path string, f *file) error {
	if err := a.ctx.Err(); err != nil {
		return err
	}
	if f.kind() == ext4.KindSocket {
		return nil
	}
	key := nodeKey{f.isOfBase, f.node.Number}
	if first, isThere := a.names[key]; isThere {
		return a.write(&tar.Header{Typeflag: tar.TypeLink, Name: path, Linkname: first, Mode: 0o600}, nil)
	}
	header, err := headerOf(path, f)
	if err != nil {
		return fmt.Errorf("%q: %w", path, err)
	}
	if f.kind() != ext4.KindFolder && f.node.Links() > 1 {
		a.names[key] = path
	}
	if f.kind() != ext4.KindFile {
		return a.write(header, nil)
	}
	if f.hasText {
		return a.write(header, strings.NewReader(string(f.text)))
	}
	content, err := f.node.Content()
	if err != nil {
		return damaged(err)
	}
	return a.write(header, &watched{a.ctx, content, a.done})
}

// whiteout says that a file of the base is gone.
func (a *archive) whiteout(folder, name string) error {
	return a.write(&tar.Header{Typeflag: tar.TypeReg, Name: below(folder, whiteoutPrefix+name), Mode: 0o600}, nil)
}

func (a *archive) write(header *tar.Header, content io.Reader) error {
	header.Format = tar.FormatPAX
	if err := a.out.WriteHeader(header); err != nil {
		return err
	}
	a.entries++
	if content == nil {
		return nil
	}
	if _, err := io.CopyN(a.out, content, header.Size); err != nil {
		return damaged(err)
	}
	return nil
}

func headerOf(path string, f *file) (*tar.Header, error) {
	attributes, err := f.node.Attributes()
	if err != nil {
		return nil, damaged(err)
	}
	h := &tar.Header{
		Name: path, Mode: int64(attributes.Mode), Uid: int(attributes.Uid), Gid: int(attributes.Gid), ModTime: attributes.Modified,
	}
	for _, xattr := range attributes.Xattrs {
		name, value, isKnown := xattr.FullName()
		if !isKnown || strings.ContainsAny(name, "=\x00") {
			continue
		}
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords[xattrRecord+name] = string(value)
	}
	switch f.kind() {
	case ext4.KindFolder:
		h.Typeflag, h.Name = tar.TypeDir, path+"/"
		if path == "" {
			h.Name = "./"
		}
	case ext4.KindFile:
		h.Typeflag, h.Size = tar.TypeReg, f.size()
	case ext4.KindSymlink:
		h.Typeflag = tar.TypeSymlink
		h.Linkname, err = f.node.Target()
	case ext4.KindFifo:
		h.Typeflag = tar.TypeFifo
	case ext4.KindChar, ext4.KindBlock:
		h.Typeflag = tar.TypeChar
		if f.kind() == ext4.KindBlock {
			h.Typeflag = tar.TypeBlock
		}
		h.Devmajor, h.Devminor = f.node.Device()
	default:
		err = fmt.Errorf("%q is of an unknown kind", path)
	}
	if err != nil {
		return nil, damaged(err)
	}
	return h, nil
}

// watched reports what is read, and ends the reading when the work is cancelled.
type watched struct {
	ctx  context.Context
	from io.Reader
	done func(bytes int64)
}

func (w *watched) Read(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := w.from.Read(p)
	w.done(int64(n))
	return n, err
}
