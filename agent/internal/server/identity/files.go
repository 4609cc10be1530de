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

// besideSuffix is the name of a file that is not whole yet. One request at a time writes, so a file of that
// name is what a power cut left.
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

// addLines adds at the end of a file, through a symlink too, and leaves its owner and mode. A file that is
// not there is made.
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
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_APPEND|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return writeAndClose(fd, path, missing)
}

// writeFile makes the file at path have this content and these permission bits, and this process's user as
// its owner. One that has them is not touched; another is replaced, a symlink too, and parents that are
// missing are made.
//
// A rename over a file makes ext4 write its data out at once, which takes an emulated guest that was just
// restored 30 ms. So a small file keeps its place: its one block takes the new content. What a power cut
// leaves of a new file is seen, and written again, at the next start.
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

// blockBytes is the smallest block of ext4 that anybody uses.
const blockBytes = 4096

// overwrite tells whether the open file has the content, owner and permission bits now. It changes nothing
// that it cannot change at once.
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
	// A program that has opened a file before it became private keeps the old file.
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

// readSmall reads a file as os.ReadFile does, with fewer steps: package os asks the poller about each file
// that it opens.
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
	// A private file's folders are private too.
	parentMode := fs.FileMode(0o755)
	if mode&0o077 == 0 {
		parentMode = 0o700
	}
	if err := os.MkdirAll(filepath.Dir(path), parentMode); err != nil {
		return err
	}
	return create(path, content, mode)
}

// replaceFile writes beside and renames. A file that something is mounted on cannot be renamed over and is
// written in place.
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

// create makes a file that must not be there. With bare system calls: package os would first ask the poller
// to watch the file, for nothing.
func create(path string, content []byte, mode uint32) (err error) {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, mode)
	if err != nil {
		return &fs.PathError{Op: "create", Path: path, Err: err}
	}
	err = writeAndClose(fd, path, content)
	if err == nil {
		// The umask may have taken some.
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
