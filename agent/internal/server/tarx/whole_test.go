package tarx

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// sizes has the size of a file that the writers take, and of one that they do not.
var sizes = map[string]int{"small": 20_000, "large": 900_000}

func TestAnInterruptedFileLeavesTheOldFileAndNothingElse(t *testing.T) {
	cause := errors.New("the line dropped")
	for name, size := range sizes {
		for _, processors := range []int{1, 4} {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
			root := t.TempDir()
			if err := os.WriteFile(root+"/old", []byte("old and whole"), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, target := range []string{"old", "new"} {
				archive := pack(t, file(target, strings.Repeat("x", size)))
				cut := io.MultiReader(bytes.NewReader(archive[:size/2]), failing{cause})
				if _, err := Unpack(cut, root, Callers()); !errors.Is(err, cause) {
					t.Fatalf("%s: got %v", name, err)
				}
			}
			if got := tell(t, root); got != "-rw------- old old and whole\n" {
				t.Errorf("%s, %d processors: got\n%s", name, processors, got)
			}
		}
	}
}

// A process that is killed while it unpacks leaves the old files complete, and nothing beside them.
func TestAKilledUnpackLeavesTheOldFilesAndNothingElse(t *testing.T) {
	root := os.Getenv("TARX_TEST_ROOT")
	if root != "" {
		_, err := Unpack(os.Stdin, root, Callers())
		t.Fatal(err)
	}
	root = t.TempDir()
	if err := os.WriteFile(root+"/old", []byte("old and whole"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"old", "new"} {
		child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		child.Env = append(os.Environ(), "TARX_TEST_ROOT="+root)
		stdin, err := child.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		archive := pack(t, file(target, strings.Repeat("x", 8<<20)))
		// Once the process has read this, megabytes of it are written, because its buffer holds less than
		// one.
		if _, err := stdin.Write(archive[:4<<20]); err != nil {
			t.Fatal(err)
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = child.Wait()
	}
	if got := tell(t, root); got != "-rw------- old old and whole\n" {
		t.Errorf("got\n%s", got)
	}
}

func TestAReaderSeesTheOldFileOrTheNewOne(t *testing.T) {
	for name, size := range sizes {
		root := t.TempDir()
		contents := map[string]bool{strings.Repeat("a", size): true, strings.Repeat("b", size): true}
		for content := range contents {
			if err := os.WriteFile(root+"/file", []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		done := make(chan error, 1)
		stop := make(chan struct{})
		go func() {
			for {
				select {
				case <-stop:
					done <- nil
					return
				default:
				}
				seen, err := os.ReadFile(root + "/file")
				if err != nil || !contents[string(seen)] {
					done <- errors.Join(err, errors.New("a part of a file was seen"))
					return
				}
			}
		}()
		for range 30 {
			for content := range contents {
				if _, err := Unpack(bytes.NewReader(pack(t, file("file", content))), root, Callers()); err != nil {
					t.Fatal(err)
				}
			}
		}
		close(stop)
		if err := <-done; err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLinksAndFifosReplaceAtomically(t *testing.T) {
	root := t.TempDir()
	first := pack(t, file("a", "x"), link(tar.TypeLink, "b", "a"), link(tar.TypeSymlink, "s", "1"), link(tar.TypeFifo, "p", ""), dir("empty/"))
	second := pack(t, link(tar.TypeLink, "b", "a"), link(tar.TypeSymlink, "s", "2"), link(tar.TypeFifo, "p", ""), link(tar.TypeSymlink, "empty", "3"))
	for _, archive := range [][]byte{first, second} {
		if _, err := Unpack(bytes.NewReader(archive), root, Callers()); err != nil {
			t.Fatal(err)
		}
	}
	want := "-rw-r--r-- a x\n-rw-r--r-- b x\nLrwxrwxrwx empty -> 3\nprwxrwxrwx p\nLrwxrwxrwx s -> 2\n"
	if got := tell(t, root); got != want {
		t.Errorf("got\n%s", got)
	}
	// An entry that cannot be created leaves the existing file.
	if _, err := Unpack(bytes.NewReader(pack(t, link(tar.TypeLink, "s", "nowhere"))), root, Callers()); err == nil {
		t.Error("a hard link to nothing was made")
	}
	if got := tell(t, root); got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestAMountPointIsOverwrittenInPlace(t *testing.T) {
	// The thread is not reused, so its mounts are visible to no other test. With one processor, no writer
	// runs in another thread.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
		t.Skipf("no mounts of our own here: %v", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Skipf("no mounts of our own here: %v", err)
	}
	root, other := t.TempDir(), t.TempDir()+"/other"
	if err := errors.Join(os.WriteFile(root+"/file", nil, 0o644), os.WriteFile(other, []byte("old and much longer"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(other, root+"/file", "", unix.MS_BIND, ""); err != nil {
		t.Skipf("no mounts of our own here: %v", err)
	}
	for name, size := range map[string]int{"small": 3, "large": 100_000} {
		content := strings.Repeat("x", size)
		if _, err := Unpack(bytes.NewReader(pack(t, file("file", content))), root, Callers()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := tell(t, filepath.Dir(other)); got != "-rw------- other "+content+"\n" {
			t.Errorf("%s: got %.80s", name, got)
		}
		if left, err := os.ReadDir(root); err != nil || len(left) != 1 {
			t.Errorf("%s: %v is left, %v", name, left, err)
		}
	}
	if err := unix.Unmount(root+"/file", unix.MNT_DETACH); err != nil {
		t.Error(err)
	}
}

func TestSparseFilesStaySparse(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	const size = 64<<20 + 1234
	made, err := os.Create(from + "/sparse")
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int64{0, 1 << 20, 20<<20 + 100, 40<<20 - 3, size - 1} {
		if _, err := made.WriteAt([]byte("data"), min(at, size-4)); err != nil {
			t.Fatal(err)
		}
	}
	// Zeros that take space must continue to do so: a swap file may have no holes.
	err = errors.Join(made.Close(), os.Truncate(from+"/sparse", size), os.WriteFile(from+"/zeros", make([]byte, 1<<20), 0o600),
		os.WriteFile(from+"/hole", nil, 0o600), os.Truncate(from+"/hole", 5<<20))
	if err != nil {
		t.Fatal(err)
	}
	for _, marks := range []bool{true, false} {
		source, err := Open(from)
		if err != nil {
			t.Fatal(err)
		}
		var archive bytes.Buffer
		if err := errors.Join(source.Pack(&archive, How{MarksHoles: marks}), source.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := Unpack(&archive, to, Callers()); err != nil {
			t.Fatal(err)
		}
		if tell(t, from) != tell(t, to) {
			t.Fatal("the content differs")
		}
		for name, most := range map[string]int64{"sparse": 64 << 10, "hole": 0, "zeros": 2 << 20} {
			room := roomOf(t, to+"/"+name)
			if isKept := room <= most; isKept != (marks || name == "zeros") {
				t.Errorf("marked %v: %s takes %d bytes", marks, name, room)
			}
		}
		if room := roomOf(t, to+"/zeros"); room < 1<<20 {
			t.Errorf("the zeros take %d bytes", room)
		}
	}
}

func roomOf(t *testing.T, path string) int64 {
	t.Helper()
	// Some file systems report the size only once the data is written.
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var info unix.Stat_t
	if err := errors.Join(file.Sync(), unix.Fstat(int(file.Fd()), &info)); err != nil {
		t.Fatal(err)
	}
	return info.Blocks * 512
}

func FuzzWriteData(f *testing.F) {
	f.Add([]byte("x"), uint16(5000), uint16(0))
	f.Fuzz(func(t *testing.T, some []byte, gap, lead uint16) {
		content := append(append(make([]byte, lead), some...), append(make([]byte, gap), some...)...)
		file, err := os.Create(t.TempDir() + "/file")
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		fd := int(file.Fd())
		if err := errors.Join(writeData(fd, content, holeBytes), unix.Ftruncate(fd, holeBytes+int64(len(content)))); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(file)
		if err != nil || !bytes.Equal(got[holeBytes:], content) {
			t.Fatalf("%d bytes of %d are correct, %v", len(got), len(content), err)
		}
	})
}

func BenchmarkUnpackSmallFiles(b *testing.B) {
	var entries []entry
	for at := range 1000 {
		entries = append(entries, file(filepath.Join("d", string(rune('a'+at%26)), time.Duration(at).String()), strings.Repeat("x", 3000)))
	}
	archive := pack(b, entries...)
	for b.Loop() {
		root := b.TempDir()
		if _, err := Unpack(bytes.NewReader(archive), root, Callers()); err != nil {
			b.Fatal(err)
		}
	}
}
