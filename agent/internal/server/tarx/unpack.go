package tarx

import (
	"archive/tar"
	"bufio"
	"bytes"
	"errors"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// readBytes is how much of the stream is read at a time.
const readBytes = 256 << 10

// Result is what was unpacked.
type Result struct {
	Entries int   `json:"entries"`
	Bytes   int64 `json:"bytes"`
}

// Owners says whom the unpacked files belong to.
type Owners struct {
	// Kept: they keep the archive's numeric owners.
	Kept bool
	// UID and GID count otherwise. Directories that are missing on the way belong to them as well.
	UID, GID int
}

// Callers returns the user of this process as the owner.
func Callers() Owners { return Owners{UID: os.Geteuid(), GID: os.Getegid()} }

// makeParents creates the directory and those that are missing on the way to it.
func makeParents(path string, owners Owners) error {
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		return nil
	}
	if err == nil || owners.Kept || owners == Callers() {
		return os.MkdirAll(path, 0o755)
	}
	if parent := filepath.Dir(path); parent != path {
		if err := makeParents(parent, owners); err != nil {
			return err
		}
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		return err
	}
	return os.Lchown(path, owners.UID, owners.GID)
}

// Unpack unpacks a tar stream below the directory into, which it creates if necessary, and reads the stream
// to its end. Entries replace existing files, but not directories that are not empty. It fails with a
// *PolicyError, a *ConflictError, or an error of the file system. After a failure, the entries before stay,
// and the entry that failed leaves nothing: a file is either in its place complete, or its predecessor is.
func Unpack(stream io.Reader, into string, owners Owners) (Result, error) {
	_, err := os.Lstat(into)
	made := errors.Is(err, unix.ENOENT)
	if err := makeParents(into, owners); err != nil {
		if errors.Is(err, unix.ENOTDIR) {
			return Result{}, &ConflictError{err.Error()}
		}
		return Result{}, err
	}
	u := &unpacker{made: made, owners: owners, umask: umask(), later: map[string]attributes{}}
	if u.to, err = openTree(into, owners, u.settle); err != nil {
		return Result{}, err
	}
	defer u.to.close()
	// Hard links look up their other name in a tree of their own, so that the directory that is being filled
	// stays open.
	if u.from, err = openTree(into, owners, u.settle); err != nil {
		return Result{}, err
	}
	defer u.from.close()
	u.writers = newWriters(u.write)
	defer u.writers.close()
	buffered := bufio.NewReaderSize(stream, readBytes)
	err = u.entries(newReader(buffered))
	if u.drain(); u.failed != nil {
		err = u.failed
	}
	if err != nil {
		return u.result, err
	}
	// Only padding follows the archive's end. It must be read, or the sender would see a broken transfer.
	if _, err := io.Copy(io.Discard, buffered); err != nil {
		return u.result, err
	}
	return u.result, u.finishDirectories()
}

// endWatch records that a reader has reached its end: package tar does not distinguish that from the
// archive's own end mark.
type endWatch struct {
	r     io.Reader
	ended bool
}

func (w *endWatch) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	w.ended = w.ended || errors.Is(err, io.EOF)
	return n, err
}

type unpacker struct {
	to, from *tree
	made     bool
	owners   Owners
	umask    uint32
	buffer   []byte
	// small is the buffer for a small file that the writers do not take.
	small  []byte
	result Result
	// later holds the attributes that directories get once nothing more is written into them.
	later map[string]attributes
	// writers is nil when files are written in order.
	writers *writers
	// failed is the error of a file of the writers, or nil.
	failed error
}

type attributes struct {
	mode     uint32
	modified time.Time
}

// errEarlier stops the unpacking because an earlier file failed in a writer.
var errEarlier = errors.New("an earlier file failed")

// settle must be called before a name is looked up or changed: it waits for a pending file of that name.
func (u *unpacker) settle(name string) error {
	if u.writers.isPending(name) {
		u.drain()
	}
	if u.failed != nil {
		return errEarlier
	}
	return nil
}

// drain waits until the writers have written all files so far. It sets u.failed if one of them failed.
func (u *unpacker) drain() {
	if u.writers == nil || u.failed != nil {
		return
	}
	blocked, failed, err := u.writers.drain()
	if failed != nil {
		u.fail(failed, err)
	}
	for _, f := range blocked {
		if u.failed == nil || f.entry < failed.entry {
			u.result.Bytes -= f.header.Size
			if err := u.file(f.at, &f.header, f.mode, bytes.NewReader(f.content)); err != nil {
				failed = &f
				u.fail(failed, err)
			}
		}
		f.at.in.release()
	}
}

func (u *unpacker) fail(f *smallFile, err error) {
	u.result.Entries = f.entry
	u.failed = explain(f.header.Name, err)
}

func (u *unpacker) entries(archive *reader) error {
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if errors.Is(err, tar.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, tar.ErrFieldTooLong) {
			return refuse("the archive is damaged: %v", err)
		}
		if err != nil {
			return err
		}
		if header.Typeflag == tar.TypeXGlobalHeader {
			if err := checkGlobal(header); err != nil {
				return err
			}
			continue
		}
		name, err := cleanName(header.Name)
		if err == nil {
			err = u.settle(name)
		}
		if err == nil {
			err = u.entry(name, header, archive)
		}
		if err != nil {
			return explain(header.Name, err)
		}
		u.result.Entries++
	}
}

func (u *unpacker) entry(name string, header *tar.Header, content io.Reader) error {
	mode := uint32(header.Mode) & 0o7777
	if name == "." {
		return u.itself(header, mode)
	}
	folder, base := path.Split(name)
	in, err := u.to.dir(path.Clean(folder), true)
	if err != nil {
		return err
	}
	at := place{in, name, base}
	switch header.Typeflag {
	case tar.TypeReg, tar.TypeCont:
		if hasHoleMap(header) {
			return refuse("%q is a sparse file", header.Name)
		}
		if u.writers.takes(header) {
			u.result.Bytes += header.Size
			return u.writers.add(smallFile{at: at, header: *header, mode: mode, entry: u.result.Entries}, content)
		}
		return u.file(at, header, mode, content)
	case tar.TypeDir:
		return u.directory(at, header, mode)
	case tar.TypeSymlink:
		return u.symlink(at, header)
	case tar.TypeLink:
		return u.hardLink(at, header)
	case tar.TypeFifo:
		return u.fifo(at, header, mode)
	case tar.TypeChar, tar.TypeBlock:
		return refuse("%q is a device", header.Name)
	}
	return refuse("%q has the unknown type %q", header.Name, header.Typeflag)
}

// finishDirectories sets modes and times, children before parents, because the mode of a parent may lock the
// agent out.
func (u *unpacker) finishDirectories() error {
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(u.later))) {
		want := u.later[name]
		dir, err := u.to.dir(name, false)
		if err == nil {
			err = errors.Join(unix.Fchmod(dir.fd, want.mode), setModified(dir.fd, "", want.modified))
		}
		if err != nil {
			return explain(name, err)
		}
	}
	return nil
}
