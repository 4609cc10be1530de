package ext4

import (
	"archive/tar"
	"bufio"
	"errors"
	"io"
	"path"
	"slices"
	"strings"
)

const xattrRecord = "SCHILY.xattr."

// AddTar adds the entries of a tar stream below the folder at ("." for the top), and reads the stream to its
// end. It refuses names that leave that folder, files that are there already, devices and sparse files.
func (w *Writer) AddTar(stream io.Reader, at string) error {
	buffered := bufio.NewReaderSize(stream, chunkBytes)
	watched := &endWatch{r: buffered}
	archive := tar.NewReader(watched)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return damaged(err)
		}
		if header.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		name, err := cleanName(header.Name)
		if err != nil {
			return err
		}
		if err := w.addEntry(path.Join(at, name), at, header, archive); err != nil {
			return damaged(err)
		}
	}
	if watched.ended {
		return refuse("the archive is cut short: it has no end mark")
	}
	// Only padding follows the end of the archive.
	_, err := io.Copy(io.Discard, buffered)
	return err
}

func (w *Writer) addEntry(name, at string, header *tar.Header, content io.Reader) error {
	attributes, err := attributesOf(header)
	if err != nil {
		return err
	}
	switch header.Typeflag {
	case tar.TypeReg:
		for key := range header.PAXRecords {
			if strings.HasPrefix(key, "GNU.sparse.") {
				return refuse("%q is a sparse file", header.Name)
			}
		}
		if isHeld, err := w.hold(name, attributes, header, content); isHeld || err != nil {
			return err
		}
		return w.File(name, attributes, header.Size, content)
	case tar.TypeDir:
		return w.Folder(name, attributes)
	case tar.TypeSymlink:
		return w.Symlink(name, attributes, header.Linkname)
	case tar.TypeLink:
		target, err := cleanName(header.Linkname)
		if err != nil {
			return err
		}
		return w.Link(name, path.Join(at, target))
	case tar.TypeFifo:
		return w.Fifo(name, attributes)
	}
	return refuse("%q has the type %q, which is not kept", header.Name, header.Typeflag)
}

func attributesOf(header *tar.Header) (Attributes, error) {
	if header.Uid < 0 || header.Gid < 0 || int64(header.Uid) >= 1<<32-1 || int64(header.Gid) >= 1<<32-1 {
		return Attributes{}, refuse("%q has an owner that is no number of 32 bits", header.Name)
	}
	attributes := Attributes{
		Mode:     uint16(header.Mode) & 0o7777,
		Uid:      uint32(header.Uid),
		Gid:      uint32(header.Gid),
		Modified: header.ModTime,
	}
	for key, value := range header.PAXRecords {
		name, found := strings.CutPrefix(key, xattrRecord)
		if !found {
			continue
		}
		xattr, err := NewXattr(name, []byte(value))
		if err != nil {
			return Attributes{}, refuse("%q: %v", header.Name, err)
		}
		attributes.Xattrs = append(attributes.Xattrs, xattr)
	}
	return attributes, nil
}

// cleanName returns the name of an entry without "." and doubled slashes.
func cleanName(name string) (string, error) {
	if name == "" || name[0] == '/' || slices.Contains(strings.Split(name, "/"), "..") {
		return "", refuse("%q is not a path inside of the archive", name)
	}
	return path.Clean(name), nil
}

// damaged turns what package tar says of a damaged archive into an EntryError.
func damaged(err error) error {
	if errors.Is(err, tar.ErrHeader) || errors.Is(err, tar.ErrFieldTooLong) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return refuse("the archive is damaged: %v", err)
	}
	return err
}

// endWatch records that a stream has ended: package tar does not distinguish that from an end mark.
type endWatch struct {
	r     io.Reader
	ended bool
}

func (e *endWatch) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	e.ended = e.ended || errors.Is(err, io.EOF)
	return n, err
}
