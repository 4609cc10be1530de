package tarx

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// readBytes is how much of the stream is taken at a time.
const readBytes = 256 << 10

// Result is what was unpacked.
type Result struct {
	Entries int   `json:"entries"`
	Bytes   int64 `json:"bytes"`
}

// Unpack unpacks a tar stream under the directory into, which is made when it is missing, and reads the stream to its end. Entries
// replace what is there, but for directories that are not empty. Owners are the archive's numbers with keepOwners, else
// the caller's own. It fails with a *PolicyError, a *ConflictError, or what the file system said; what was unpacked by then stays.
func Unpack(stream io.Reader, into string, keepOwners bool) (Result, error) {
	_, err := os.Lstat(into)
	made := errors.Is(err, unix.ENOENT)
	if err := os.MkdirAll(into, 0o755); err != nil {
		if errors.Is(err, unix.ENOTDIR) {
			return Result{}, &ConflictError{err.Error()}
		}
		return Result{}, err
	}
	to, err := openTree(into)
	if err != nil {
		return Result{}, err
	}
	defer to.close()
	// Hard links look up their other name without leaving the directory that is being filled.
	from, err := openTree(into)
	if err != nil {
		return Result{}, err
	}
	defer from.close()
	u := &unpacker{to: to, from: from, made: made, keepOwners: keepOwners, umask: umask(), later: map[string]attributes{}}
	buffered := bufio.NewReaderSize(stream, readBytes)
	whole := &endWatch{r: buffered}
	if err := u.entries(tar.NewReader(whole)); err != nil {
		return u.result, err
	}
	if whole.ended {
		return u.result, refuse("the archive is cut short: it has no end mark")
	}
	// What follows the archive's end is padding; leaving it would look like a broken transfer to the sender.
	if _, err := io.Copy(io.Discard, buffered); err != nil {
		return u.result, err
	}
	return u.result, u.finishDirectories()
}

// endWatch notices that a reader ran into its end, which package tar does not tell from the archive's own end.
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
	to, from   *tree
	made       bool
	keepOwners bool
	umask      uint32
	buffer     []byte
	result     Result
	// later holds what directories get when nothing is written into them any more.
	later map[string]attributes
}

type attributes struct {
	mode     uint32
	modified time.Time
}

func (u *unpacker) entries(archive *tar.Reader) error {
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
		if isSparse(header) {
			return refuse("%q is a sparse file", header.Name)
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

// place is where an entry goes: base in the open directory in.
type place struct {
	in   directory
	name string
	base string
}

// itself is the entry "./". It says something about the directory only when that was made for this archive.
func (u *unpacker) itself(header *tar.Header, mode uint32) error {
	if header.Typeflag != tar.TypeDir {
		return refuse("%q is not a directory", header.Name)
	}
	if u.made {
		u.later["."] = attributes{mode, header.ModTime}
		return u.own(header, u.to.root.fd)
	}
	return nil
}

func (u *unpacker) file(at place, header *tar.Header, mode uint32, content io.Reader) error {
	fd := -1
	err := u.make(at, func() (err error) {
		fd, err = unix.Openat(at.in.fd, at.base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode&0o777)
		return err
	})
	if err != nil {
		return err
	}
	err = u.fill(fd, header, content)
	if err == nil && (u.keepOwners || at.in.setgid) {
		err = u.own(header, fd)
	}
	// Made with this mode already, unless the mask took some away, or a chown.
	if err == nil && (mode&^0o777 != 0 || mode&u.umask != 0) {
		err = unix.Fchmod(fd, mode)
	}
	if err == nil {
		err = setModified(fd, "", header.ModTime)
	}
	return errors.Join(err, unix.Close(fd))
}

func (u *unpacker) fill(fd int, header *tar.Header, content io.Reader) error {
	if header.Size == 0 {
		return nil
	}
	if u.buffer == nil {
		u.buffer = make([]byte, readBytes)
	}
	for {
		n, err := io.ReadFull(content, u.buffer[:min(int64(len(u.buffer)), header.Size)])
		for done := 0; done < n; {
			wrote, err := unix.Write(fd, u.buffer[done:n])
			if err != nil && !errors.Is(err, unix.EINTR) {
				return err
			}
			done += max(wrote, 0)
		}
		u.result.Bytes += int64(n)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, io.ErrUnexpectedEOF) && n == 0:
			return refuse("the archive ends inside of %q", header.Name)
		case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
			return err
		}
	}
}

func (u *unpacker) directory(at place, header *tar.Header, mode uint32) error {
	err := unix.Mkdirat(at.in.fd, at.base, 0o755)
	if errors.Is(err, unix.EEXIST) {
		var info unix.Stat_t
		if err := unix.Fstatat(at.in.fd, at.base, &info, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
		if info.Mode&unix.S_IFMT != unix.S_IFDIR {
			err = u.make(at, func() error { return unix.Mkdirat(at.in.fd, at.base, 0o755) })
		} else {
			err = nil
		}
	}
	if err != nil {
		return err
	}
	u.later[at.name] = attributes{mode, header.ModTime}
	if u.keepOwners || at.in.setgid {
		return u.ownAt(header, at)
	}
	return nil
}

func (u *unpacker) symlink(at place, header *tar.Header) error {
	if header.Linkname == "" {
		return refuse("%q is a symlink to nothing", header.Name)
	}
	err := u.make(at, func() error { return unix.Symlinkat(header.Linkname, at.in.fd, at.base) })
	return u.dress(at, header, err)
}

func (u *unpacker) fifo(at place, header *tar.Header, mode uint32) error {
	err := u.make(at, func() error { return unix.Mknodat(at.in.fd, at.base, unix.S_IFIFO|mode&0o777, 0) })
	err = u.dress(at, header, err)
	if err != nil || mode&^0o777 == 0 && mode&u.umask == 0 {
		return err
	}
	fd, err := unix.Openat(at.in.fd, at.base, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	// Through the descriptor's own link: chmod by name would follow a symlink that took the place meanwhile.
	return errors.Join(unix.Chmod("/proc/self/fd/"+strconv.Itoa(fd), mode), unix.Close(fd))
}

// dress gives owner and time to what has no descriptor.
func (u *unpacker) dress(at place, header *tar.Header, err error) error {
	if err == nil && (u.keepOwners || at.in.setgid) {
		err = u.ownAt(header, at)
	}
	if err == nil {
		err = setModified(at.in.fd, at.base, header.ModTime)
	}
	return err
}

func (u *unpacker) hardLink(at place, header *tar.Header) error {
	target, err := cleanName(header.Linkname)
	if err != nil {
		return err
	}
	if target == at.name {
		return refuse("%q is a hard link to itself", header.Name)
	}
	folder, base := path.Split(target)
	in, err := u.from.dir(path.Clean(folder), false)
	if err != nil {
		return linkError(header, err)
	}
	err = u.make(at, func() error { return unix.Linkat(in.fd, base, at.in.fd, at.base, 0) })
	return linkError(header, err)
}

func linkError(header *tar.Header, err error) error {
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EPERM) {
		return refuse("%q cannot be a hard link to %q: %v", header.Name, header.Linkname, err)
	}
	return err
}

// make calls create, and once more after taking away what is in the place.
func (u *unpacker) make(at place, create func() error) error {
	err := create()
	if !errors.Is(err, unix.EEXIST) {
		return err
	}
	u.from.forget(at.name)
	delete(u.later, at.name)
	err = unix.Unlinkat(at.in.fd, at.base, 0)
	if errors.Is(err, unix.EISDIR) {
		err = unix.Unlinkat(at.in.fd, at.base, unix.AT_REMOVEDIR)
	}
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	return create()
}

func (u *unpacker) owner(header *tar.Header) (uid, gid int) {
	if u.keepOwners {
		return header.Uid, header.Gid
	}
	return os.Geteuid(), os.Getegid()
}

func (u *unpacker) own(header *tar.Header, fd int) error {
	uid, gid := u.owner(header)
	return unix.Fchown(fd, uid, gid)
}

func (u *unpacker) ownAt(header *tar.Header, at place) error {
	uid, gid := u.owner(header)
	return unix.Fchownat(at.in.fd, at.base, uid, gid, unix.AT_SYMLINK_NOFOLLOW)
}

// finishDirectories sets modes and times, children before parents: a parent may become closed to us.
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

// setModified sets the times of base in the directory fd, not through a symlink, or of fd itself when base is empty.
func setModified(fd int, base string, modified time.Time) error {
	stamp, err := unix.TimeToTimespec(modified)
	if err != nil {
		return refuse("%v is no time for a file", modified)
	}
	times := [2]unix.Timespec{stamp, stamp}
	if base != "" {
		return unix.UtimesNanoAt(fd, base, times[:], unix.AT_SYMLINK_NOFOLLOW)
	}
	// utimensat(2) with no path, which the library does not offer.
	_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(fd), 0, uintptr(unsafe.Pointer(&times)), 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("utimensat: %w", errno)
	}
	return nil
}

// umask reads the mask of this process without changing it; unknown, it is all ones.
func umask() uint32 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0o777
	}
	for line := range strings.Lines(string(status)) {
		if value, found := strings.CutPrefix(line, "Umask:"); found {
			if mask, err := strconv.ParseUint(strings.TrimSpace(value), 8, 32); err == nil {
				return uint32(mask)
			}
		}
	}
	return 0o777
}
