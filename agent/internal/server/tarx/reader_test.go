package tarx

import (
	"archive/tar"
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Package tar is the reference: the reader must return the same for every archive.
func FuzzReader(f *testing.F) {
	for _, format := range []tar.Format{tar.FormatUSTAR, tar.FormatPAX, tar.FormatGNU} {
		var archive bytes.Buffer
		w := tar.NewWriter(&archive)
		for _, name := range []string{"a", "b/", strings.Repeat("long/", 25) + "x"} {
			header := tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: 3, Format: format, ModTime: time.Unix(1_600_000_000, 0)}
			if strings.HasSuffix(name, "/") {
				header.Typeflag, header.Size = tar.TypeDir, 0
			}
			if format == tar.FormatPAX {
				header.ModTime = stamp
			}
			if err := w.WriteHeader(&header); err != nil {
				f.Fatal(err)
			}
			_, _ = w.Write([]byte("abc")[:header.Size])
		}
		f.Add(archive.Bytes())
		_ = w.Close()
		f.Add(archive.Bytes())
	}
	f.Fuzz(func(t *testing.T, archive []byte) {
		want := listing(tar.NewReader(bytes.NewReader(archive)))
		got := listing(newReader(bufio.NewReaderSize(bytes.NewReader(archive), readBytes)))
		if got != want {
			t.Fatalf("got\n%s\nwant\n%s", got, want)
		}
	})
}

func TestReaderReadsMangledArchivesAsPackageTarDoes(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	for range 1_500 {
		archive := mangle(random, someArchive(t, random))
		want := listing(tar.NewReader(bytes.NewReader(archive)))
		got := listing(newReader(bufio.NewReaderSize(bytes.NewReader(archive), readBytes)))
		if got != want {
			t.Fatalf("archive %q\ngot\n%s\nwant\n%s", archive[:min(len(archive), 1536)], got, want)
		}
	}
}

func TestReaderReadsWhatGnuTarWritesItself(t *testing.T) {
	root := t.TempDir()
	if err := errors.Join(os.WriteFile(root+"/file", []byte("x"), 0o644), os.Symlink("file", root+"/link"), os.Mkdir(root+"/dir", 0o755)); err != nil {
		t.Fatal(err)
	}
	archive, err := exec.Command("tar", "--format=posix", "--pax-option=delete=atime,delete=ctime", "-C", root, "-cf", "-", ".").Output()
	if err != nil {
		t.Skipf("no GNU tar here: %v", err)
	}
	r := newReader(bufio.NewReaderSize(bytes.NewReader(archive), readBytes))
	for range 4 {
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if r.other != nil {
		t.Fatal("left to package tar")
	}
}

// listing describes everything that a reader returns.
func listing(r interface {
	Next() (*tar.Header, error)
	io.Reader
}) string {
	var out strings.Builder
	for {
		h, err := r.Next()
		if err != nil {
			// Only our reader refuses an archive without its end mark.
			policy := new(PolicyError)
			if errors.As(err, &policy) {
				err = io.EOF
			}
			return out.String() + err.Error()
		}
		content, err := io.ReadAll(r)
		fmt.Fprintf(&out, "%q %q %c %o %d:%d %d %v %q %v\n", h.Name, h.Linkname, h.Typeflag, h.Mode, h.Uid, h.Gid, h.Size, h.ModTime.UnixNano(), content, err)
	}
}

// someArchive makes an archive of a few names that conflict with each other.
func someArchive(t *testing.T, random *rand.Rand) []byte {
	t.Helper()
	names := []string{"a", "b", "a/a", "a/b", "b/a", "a/a/a"}
	name := func() string { return names[random.Intn(len(names))] }
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for range 1 + random.Intn(12) {
		h := tar.Header{Name: name(), Mode: 0o600 + int64(random.Intn(2)), ModTime: time.Unix(1_600_000_000, int64(random.Intn(2))*5)}
		h.Format = []tar.Format{tar.FormatPAX, tar.FormatPAX, tar.FormatGNU, tar.FormatUSTAR}[random.Intn(4)]
		if h.Format != tar.FormatPAX {
			h.ModTime = time.Unix(1_600_000_000, 0)
		}
		var content []byte
		switch random.Intn(8) {
		case 0:
			h.Typeflag, h.Mode = tar.TypeDir, 0o755
			h.Name += "/"
		case 1:
			h.Typeflag, h.Linkname = tar.TypeSymlink, name()
		case 2:
			h.Typeflag, h.Linkname = tar.TypeLink, name()
		default:
			h.Typeflag = tar.TypeReg
			content = bytes.Repeat([]byte{byte('0' + random.Intn(10))}, []int{0, 1, 600, 60, 5}[random.Intn(5)])
			h.Size = int64(len(content))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write(content)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return archive.Bytes()
}

// mangle changes some bytes of headers, cuts the archive, or does nothing.
func mangle(random *rand.Rand, archive []byte) []byte {
	switch random.Intn(3) {
	case 0:
		return archive[:random.Intn(len(archive))]
	case 1:
		for range 1 + random.Intn(4) {
			block := random.Intn(len(archive)/blockBytes) * blockBytes
			archive[block+random.Intn(blockBytes)] = "\x00 01789azx./\xff"[random.Intn(13)]
			if random.Intn(4) > 0 {
				mendSum(archive[block : block+blockBytes])
			}
		}
	}
	return archive
}

func mendSum(block []byte) {
	copy(block[148:156], "        ")
	sum := 0
	for _, b := range block {
		sum += int(b)
	}
	copy(block[148:156], fmt.Sprintf("%06o\x00 ", sum))
}

func TestUnpackWithAllProcessorsEqualsUnpackWithOne(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	random := rand.New(rand.NewSource(2))
	for range 150 {
		before, archive := someArchive(t, random), someArchive(t, random)
		if random.Intn(2) == 0 {
			archive = mangle(random, archive)
		}
		var told [2]string
		for at, processors := range []int{1, 4} {
			root := t.TempDir()
			runtime.GOMAXPROCS(1)
			_, _ = Unpack(bytes.NewReader(before), root, Callers())
			runtime.GOMAXPROCS(processors)
			result, err := Unpack(bytes.NewReader(archive), root, Callers())
			told[at] = fmt.Sprintf("%d %v\n", result.Entries, err)
			if err == nil {
				told[at] += fmt.Sprintf("%d bytes\n%s", result.Bytes, tell(t, root)+times(t, root))
			}
		}
		if told[0] != told[1] {
			t.Fatalf("after\n%s\nthis\n%s\nwith one processor\n%s\nwith more\n%s", listing(tar.NewReader(bytes.NewReader(before))),
				listing(tar.NewReader(bytes.NewReader(archive))), told[0], told[1])
		}
	}
}

// times lists the modification times of a tree's files.
func times(t *testing.T, root string) string {
	t.Helper()
	var out strings.Builder
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			fmt.Fprintln(&out, d.Name(), info.ModTime().UnixNano())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}
