package identity

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// besideSuffix ends the name of a file that is not complete yet. Only one request at a time writes, so a file
// with such a name was left by a power cut.
const besideSuffix = ".banger-new"

var writers = map[string]func(path string, content []byte, mode uint32) error{
	"":       writeFile,
	Replace:  writeFile,
	Create:   createFile,
	AddLines: addLines,
	Folder:   makeFolder,
}

func (s System) files(files []File) (unwritten []Unwritten, err error) {
	for _, file := range files {
		err := writers[file.How](s.Root+file.Path, file.Content, file.Mode)
		if err != nil && file.Optional {
			unwritten = append(unwritten, Unwritten{file.Path, err.Error()})
		} else if err != nil {
			return nil, err
		}
	}
	return unwritten, nil
}

func createFile(path string, content []byte, mode uint32) error {
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	return writeFile(path, content, mode)
}

func makeFolder(path string, _ []byte, mode uint32) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		return err
	}
	return unix.Chmod(path, mode)
}

// addLines appends those lines of content that the file at path lacks. It follows a symlink, keeps the file's
// owner and mode, and creates a missing file.
func addLines(path string, content []byte, mode uint32) error {
	before, err := readSmall(path)
	if errors.Is(err, fs.ErrNotExist) {
		return writeFile(path, content, mode)
	}
	if err != nil {
		return err
	}
	present := map[string]bool{}
	for line := range bytes.Lines(before) {
		present[string(bytes.TrimSpace(line))] = true
	}
	var missing []byte
	for line := range bytes.Lines(content) {
		if !present[string(bytes.TrimSpace(line))] {
			missing = append(missing, line...)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if len(before) > 0 && !bytes.HasSuffix(before, []byte("\n")) {
		missing = append([]byte("\n"), missing...)
	}
	return appendTo(path, missing)
}

// appendTo appends to the file at path, which must exist. It follows a symlink.
func appendTo(path string, content []byte) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_APPEND|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return writeAndClose(fd, path, content)
}

// writeFile gives the file at path this content, these permission bits, and this process's user as its owner.
// It does not write a file that has them already. It replaces a symlink or another kind of file, and creates
// missing parents.
//
// A rename over a file makes ext4 write the data to the disk at once, which takes 30 ms in an emulated guest
// that was just restored. So a small file, which is a single block, is overwritten in place. If a power cut
// damages a file, the next start sees that and writes it again.
func writeFile(path string, content []byte, mode uint32) error {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return createWithParents(path, content, mode)
	}
	if err == nil {
		isDone := overwrite(fd, content, mode)
		if err := unix.Close(fd); err != nil {
			return &fs.PathError{Op: "close", Path: path, Err: err}
		}
		if isDone {
			return nil
		}
	}
	return replaceFile(path, content, mode)
}

// blockBytes is the smallest block size of ext4 in practice.
const blockBytes = 4096

// overwrite returns whether the open file now has the content, owner and permission bits. It writes only what
// a single write can change.
func overwrite(fd int, content []byte, mode uint32) bool {
	var info unix.Stat_t
	if unix.Fstat(fd, &info) != nil || info.Mode&unix.S_IFMT != unix.S_IFREG || int(info.Uid) != os.Geteuid() || info.Nlink != 1 {
		return false
	}
	hasMode := info.Mode&^unix.S_IFMT == mode
	isSame := info.Size == int64(len(content)) && hasContent(fd, content)
	if hasMode && isSame {
		return true
	}
	// A file that becomes private is replaced instead, so that a program that opened it earlier cannot read
	// the new content.
	isClosed := !hasMode && mode&0o077 == 0
	if isClosed || !isSame && (info.Size > blockBytes || len(content) > blockBytes) {
		return false
	}
	if !hasMode && unix.Fchmod(fd, mode) != nil {
		return false
	}
	if isSame {
		return true
	}
	if n, err := unix.Pwrite(fd, content, 0); err != nil || n != len(content) {
		return false
	}
	return info.Size <= int64(len(content)) || unix.Ftruncate(fd, int64(len(content))) == nil
}

func hasContent(fd int, content []byte) bool {
	var chunk [16 << 10]byte
	for len(content) > 0 {
		n, err := unix.Read(fd, chunk[:min(len(chunk), len(content))])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n <= 0 || string(chunk[:n]) != string(content[:n]) {
			return false
		}
		content = content[n:]
	}
	return true
}

// readSmall reads a file as os.ReadFile does, with fewer system calls: package os registers each file that it
// opens with the poller.
func readSmall(path string) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	content := make([]byte, 0, blockBytes)
	for {
		n, err := unix.Read(fd, content[len(content):cap(content)])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, &fs.PathError{Op: "read", Path: path, Err: err}
		}
		if n == 0 {
			return content, nil
		}
		content = content[:len(content)+n]
		if len(content) == cap(content) {
			content = append(content, 0)[:len(content)]
		}
	}
}

func createWithParents(path string, content []byte, mode uint32) error {
	err := create(path, content, mode)
	if !errors.Is(err, unix.ENOENT) {
		return err
	}
	// New parents of a private file are private, too.
	parentMode := fs.FileMode(0o755)
	if mode&0o077 == 0 {
		parentMode = 0o700
	}
	if err := os.MkdirAll(filepath.Dir(path), parentMode); err != nil {
		return err
	}
	return create(path, content, mode)
}

// replaceFile writes a new file beside the old one and renames it. A mount point cannot be replaced, so it is
// overwritten in place.
func replaceFile(path string, content []byte, mode uint32) error {
	beside := path + besideSuffix
	if err := os.RemoveAll(beside); err != nil {
		return err
	}
	if err := create(beside, content, mode); err != nil {
		return err
	}
	err := unix.Rename(beside, path)
	if err == nil {
		return nil
	}
	_ = unix.Unlink(beside)
	if errors.Is(err, unix.EBUSY) {
		return os.WriteFile(path, content, fs.FileMode(mode))
	}
	return fmt.Errorf("replace %s: %w", path, err)
}

// create creates a file, which must not exist yet. It uses bare system calls, because package os would
// register the file with the poller for nothing.
func create(path string, content []byte, mode uint32) (err error) {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, mode)
	if err != nil {
		return &fs.PathError{Op: "create", Path: path, Err: err}
	}
	err = writeAndClose(fd, path, content)
	if err == nil {
		// The umask may have removed some bits.
		err = unix.Chmod(path, mode)
	}
	if err != nil {
		_ = unix.Unlink(path)
	}
	return err
}

func writeAndClose(fd int, path string, content []byte) (err error) {
	for len(content) > 0 && err == nil {
		var n int
		n, err = unix.Write(fd, content)
		if errors.Is(err, unix.EINTR) {
			err = nil
		}
		content = content[max(n, 0):]
	}
	if err := errors.Join(err, unix.Close(fd)); err != nil {
		return &fs.PathError{Op: "write", Path: path, Err: err}
	}
	return nil
}
