package ext4

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// emptyImage is a file system without files, whose descriptors then say that it has so many folders.
func emptyImage(t *testing.T, folders uint16) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 64<<20); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", path).CombinedOutput(); err != nil {
		t.Fatalf("mke2fs: %v: %s", err, out)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	if folders > 0 {
		if _, err := file.WriteAt(binary.LittleEndian.AppendUint16(nil, folders), 4096+groupFoldersLow); err != nil {
			t.Fatal(err)
		}
	}
	return file
}

func TestCountFoldersOfAFileSystem(t *testing.T) {
	// The top and lost+found.
	for folders, want := range map[uint16]uint64{0: 2, 5105: 5105} {
		count, err := countFolders(int(emptyImage(t, folders).Fd()))
		if err != nil || count.folders != want || count.blockBytes != 4096 {
			t.Errorf("got %+v, %v, want %d folders", count, err, want)
		}
	}
}

func TestFoldersInAddsUpAllGroups(t *testing.T) {
	for _, descriptorBytes := range []int{32, 64} {
		table := make([]byte, 3*descriptorBytes+5)
		for group, folders := range []uint16{1, 0, 40_000} {
			binary.LittleEndian.PutUint16(table[group*descriptorBytes+groupFoldersLow:], folders)
		}
		want := uint64(40_001)
		if descriptorBytes == 64 {
			binary.LittleEndian.PutUint16(table[groupFoldersHigh:], 2)
			want += 2 << 16
		}
		if got := foldersIn(table, descriptorBytes); got != want {
			t.Errorf("descriptors of %d bytes: got %d, want %d", descriptorBytes, got, want)
		}
	}
}

func TestCountFoldersRefusesOtherContent(t *testing.T) {
	for name, spoil := range map[string]func(*os.File) error{
		"no file system": func(f *os.File) error { return f.Truncate(0) },
		"no groups": func(f *os.File) error {
			_, err := f.WriteAt(make([]byte, 4), superOffset+superBlocksPerGroup)
			return err
		},
	} {
		file := emptyImage(t, 0)
		if err := spoil(file); err != nil {
			t.Fatal(err)
		}
		if count, err := countFolders(int(file.Fd())); err == nil {
			t.Errorf("%s: got %+v", name, count)
		}
	}
}

// cachedPages is how many pages of a file the kernel has in memory.
func cachedPages(t *testing.T, file *os.File, size int) int {
	t.Helper()
	mapped, err := unix.Mmap(int(file.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(mapped)
	vector := make([]byte, size/4096)
	if _, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&mapped[0])), uintptr(size), uintptr(unsafe.Pointer(&vector[0]))); errno != 0 {
		t.Fatal(errno)
	}
	count := 0
	for _, page := range vector {
		count += int(page & 1)
	}
	return count
}

func TestReadAheadBringsAllOfARange(t *testing.T) {
	const size = 8 << 20
	path := filepath.Join(t.TempDir(), "device")
	if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := file.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Fadvise(int(file.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		t.Fatal(err)
	}
	if before := cachedPages(t, file, size); before == size/4096 {
		t.Skip("this file system keeps its files in memory")
	}
	if err := readAhead(int(file.Fd()), 0, size); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(10 * time.Second); cachedPages(t, file, size) < size/4096; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("%d of %d pages are in memory", cachedPages(t, file, size), size/4096)
		}
	}
}

func TestFirstByteOfAFolderIsOnItsDevice(t *testing.T) {
	dir := t.TempDir()
	first, err := firstByteOf(dir)
	if err != nil {
		t.Skipf("this file system does not say where its folders are: %v", err)
	}
	if first == 0 || first%512 != 0 {
		t.Errorf("the folder begins at %d", first)
	}
	if _, err := firstByteOf(filepath.Join(dir, "missing")); err == nil {
		t.Error("a missing folder is somewhere")
	}
}
