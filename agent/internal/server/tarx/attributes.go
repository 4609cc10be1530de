package tarx

import (
	"archive/tar"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func (u *unpacker) owner(header *tar.Header) (uid, gid int) {
	if u.owners.Kept {
		return header.Uid, header.Gid
	}
	return u.owners.UID, u.owners.GID
}

// isOwned reports whether files need another owner than the one whom they are created with.
func (u *unpacker) isOwned() bool {
	return u.owners.Kept || u.owners.UID != os.Geteuid() || u.owners.GID != os.Getegid()
}

func (u *unpacker) own(header *tar.Header, fd int) error {
	uid, gid := u.owner(header)
	return unix.Fchown(fd, uid, gid)
}

func (u *unpacker) ownAt(header *tar.Header, at place) error {
	uid, gid := u.owner(header)
	return unix.Fchownat(at.in.fd, at.base, uid, gid, unix.AT_SYMLINK_NOFOLLOW)
}

// setModified sets the times of base in the directory fd, without following a symlink, or of fd itself when
// base is empty.
func setModified(fd int, base string, modified time.Time) error {
	stamp, err := unix.TimeToTimespec(modified)
	if err != nil {
		return refuse("%v is not a valid file time", modified)
	}
	times := [2]unix.Timespec{stamp, stamp}
	if base != "" {
		return unix.UtimesNanoAt(fd, base, times[:], unix.AT_SYMLINK_NOFOLLOW)
	}
	// utimensat(2) without a path, for which package unix has no function.
	_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(fd), 0, uintptr(unsafe.Pointer(&times)), 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("utimensat: %w", errno)
	}
	return nil
}

// umask reads the mask of this process without changing it. When it cannot, it returns all ones.
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
