package tarx

import (
	"archive/tar"
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Source is a file or directory that is open for packing.
type Source struct {
	file *os.File
	info unix.Stat_t
	name string
}

// Open opens the file or directory at an absolute path; it follows a symlink. It never blocks: it refuses a
// fifo or a device.
func Open(name string) (*Source, error) {
	file, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	s := &Source{file: file, name: path.Base(path.Clean(name))}
	if err := unix.Fstat(int(file.Fd()), &s.info); err != nil {
		file.Close()
		return nil, err
	}
	if kind := s.info.Mode & unix.S_IFMT; kind != unix.S_IFREG && kind != unix.S_IFDIR {
		file.Close()
		return nil, &ConflictError{fmt.Sprintf("%q is neither a file nor a directory", name)}
	}
	return s, nil
}

// Close closes the source.
func (s *Source) Close() error { return s.file.Close() }

// How says how to pack a source.
type How struct {
	// As is the name of the only top-level entry, or "".
	As string
	// MarksHoles marks sparse files with a record that only our programs know.
	MarksHoles bool
}

// Pack writes a file as one entry with its base name, and a directory as its content with names relative to
// it, in the order of the names. With how.As, the file or directory is one entry of that name, and the
// directory's content follows below it. Sockets and devices are left out. A file that shrinks while it is
// read fails the archive; of one that grows, only the original length is packed. Several names of one file
// become hard links.
func (s *Source) Pack(w io.Writer, how How) error {
	as := how.As
	buffered := bufio.NewWriterSize(w, readBytes)
	p := &packer{marksHoles: how.MarksHoles, archive: tar.NewWriter(buffered), linked: map[inode]string{}, buffer: make([]byte, readBytes)}
	var err error
	fd := int(s.file.Fd())
	switch isDir := s.info.Mode&unix.S_IFMT == unix.S_IFDIR; {
	case isDir && as == "":
		err = p.content(fd, "")
	case isDir:
		err = p.directory(fd, as, s.info)
	default:
		err = p.file(fd, cmp.Or(as, s.name), s.info)
	}
	if err != nil {
		return err
	}
	return errors.Join(p.archive.Close(), buffered.Flush())
}

type inode struct{ device, number uint64 }

type packer struct {
	archive *tar.Writer
	// linked maps an inode with several names to the first one written.
	linked map[inode]string
	buffer []byte
	// marksHoles: sparse files get a record that says so.
	marksHoles bool
}

// content packs the content of the directory fd; prefix ends in a slash unless it is empty.
func (p *packer) content(fd int, prefix string) error {
	names, err := list(fd)
	if err != nil {
		return fmt.Errorf("%q: %w", prefix, err)
	}
	for _, name := range names {
		if err := p.entry(fd, name, prefix+name); err != nil {
			return err
		}
	}
	return nil
}

func list(fd int) ([]string, error) {
	again, err := unix.Openat(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	dir := os.NewFile(uintptr(again), ".")
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

func (p *packer) entry(dir int, base, name string) error {
	var info unix.Stat_t
	err := unix.Fstatat(dir, base, &info, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	switch info.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return p.open(dir, base, name, unix.O_NONBLOCK, p.file)
	case unix.S_IFDIR:
		return p.open(dir, base, name, unix.O_DIRECTORY, p.directory)
	case unix.S_IFLNK:
		target, err := readlink(dir, base, info.Size)
		if err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
		return p.write(tar.TypeSymlink, name, target, info)
	case unix.S_IFIFO:
		return p.write(tar.TypeFifo, name, "", info)
	}
	return nil
}

// open opens an entry, and packs the file that it has opened: that may no longer be the one that was listed.
func (p *packer) open(dir int, base, name string, flags int, pack func(int, string, unix.Stat_t) error) error {
	fd, err := unix.Openat(dir, base, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC|flags, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	defer unix.Close(fd)
	var info unix.Stat_t
	if err := unix.Fstat(fd, &info); err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	return pack(fd, name, info)
}

func (p *packer) directory(fd int, name string, info unix.Stat_t) error {
	if err := p.write(tar.TypeDir, name+"/", "", info); err != nil {
		return err
	}
	return p.content(fd, name+"/")
}

func (p *packer) file(fd int, name string, info unix.Stat_t) error {
	if info.Mode&unix.S_IFMT != unix.S_IFREG {
		return fmt.Errorf("%q changed while it was read", name)
	}
	if info.Nlink > 1 {
		id := inode{uint64(info.Dev), info.Ino}
		if first, seen := p.linked[id]; seen {
			return p.write(tar.TypeLink, name, first, info)
		}
		p.linked[id] = name
	}
	if err := p.write(tar.TypeReg, name, "", info); err != nil {
		return err
	}
	if isSparse(info) {
		return p.packHoles(fd, name, info.Size)
	}
	return p.data(fd, name, info.Size)
}

// data packs left bytes from the descriptor's current offset.
func (p *packer) data(fd int, name string, left int64) error {
	for left > 0 {
		n, err := unix.Read(fd, p.buffer[:min(left, int64(len(p.buffer)))])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err == nil && n == 0 {
			return shorter(name)
		}
		if err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
		if _, err := p.archive.Write(p.buffer[:n]); err != nil {
			return err
		}
		left -= int64(n)
	}
	return nil
}

func shorter(name string) error { return fmt.Errorf("%q became shorter while it was read", name) }

// isSparse reports whether a file takes less space than its length.
func isSparse(info unix.Stat_t) bool { return info.Blocks*512 < info.Size }

func (p *packer) write(kind byte, name, target string, info unix.Stat_t) error {
	header := &tar.Header{
		Typeflag: kind,
		Name:     name,
		Linkname: target,
		Mode:     int64(info.Mode & 0o7777),
		Uid:      int(info.Uid),
		Gid:      int(info.Gid),
		ModTime:  time.Unix(info.Mtim.Unix()),
		Format:   tar.FormatPAX,
	}
	if kind == tar.TypeReg {
		header.Size = info.Size
		if p.marksHoles && isSparse(info) {
			header.PAXRecords = sparseRecords
		}
	}
	if err := p.archive.WriteHeader(header); err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	return nil
}

func readlink(dir int, base string, size int64) (string, error) {
	buffer := make([]byte, size+1)
	for {
		n, err := unix.Readlinkat(dir, base, buffer)
		if err != nil {
			return "", err
		}
		if n < len(buffer) {
			return string(buffer[:n]), nil
		}
		buffer = make([]byte, 2*len(buffer))
	}
}
