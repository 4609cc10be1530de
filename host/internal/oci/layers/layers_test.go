package layers

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"banger.dev/host/internal/oci/fault"
)

// readAll reads a layer to its end, contents too.
func readAll(t testing.TB, blob io.Reader, limits Limits) ([]*Entry, []string, error) {
	t.Helper()
	reader, err := Open(t.Context(), blob, NewBudget(limits))
	if err != nil {
		return nil, nil, err
	}
	defer reader.Close()
	reader.Hash()
	var found []*Entry
	var leftOut []string
	for {
		entry, err := reader.Next()
		if errors.Is(err, io.EOF) {
			_, err := reader.Finish()
			return found, leftOut, err
		}
		if err == nil {
			err = reader.Measure(entry)
		}
		if err != nil {
			return nil, nil, err
		}
		found, leftOut = append(found, entry), append(leftOut, reader.LeftOut...)
	}
}

var wide = Limits{MaxBytes: 1 << 30, MaxEntries: 1000}

func header(name string, kind byte, change func(*tar.Header)) tar.Header {
	h := tar.Header{Name: name, Typeflag: kind, Mode: 0o644}
	if change != nil {
		change(&h)
	}
	return h
}

func archive(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range headers {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(w, zeros{}, h.Size); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func requireBad(t testing.TB, what string, err error, code string) {
	t.Helper()
	var known *fault.Error
	if !errors.As(err, &known) || known.Code != code {
		t.Errorf("%s: %v", what, err)
	}
}

func TestEntriesThatCannotBeAreRefused(t *testing.T) {
	for what, h := range map[string]tar.Header{
		"outside":         header("../a", tar.TypeReg, nil),
		"outside later":   header("a/../../b", tar.TypeReg, nil),
		"absolute":        header("/../a", tar.TypeReg, nil),
		"a long name":     header(strings.Repeat("n", 256), tar.TypeReg, nil),
		"a long path":     header(strings.Repeat("n/", 2100)+"x", tar.TypeReg, nil),
		"a link outside":  header("a", tar.TypeLink, func(h *tar.Header) { h.Linkname = "../b" }),
		"no target":       header("a", tar.TypeSymlink, nil),
		"a long target":   header("a", tar.TypeSymlink, func(h *tar.Header) { h.Linkname = strings.Repeat("t", 4096) }),
		"an unknown type": header("a", 'Q', nil),
		"a large owner":   header("a", tar.TypeReg, func(h *tar.Header) { h.Uid, h.Format = 1<<32-1, tar.FormatPAX }),
	} {
		_, _, err := readAll(t, bytes.NewReader(archive(t, h)), wide)
		requireBad(t, what, err, fault.ArchiveBad)
	}
}

func TestPathsAreThoseFromTheTop(t *testing.T) {
	for name, want := range map[string]string{"./": ".", "/": ".", "./a": "a", "/a/b": "a/b", "a//b/./c/..": "a/b", "a/../b": "b", "//a": "a"} {
		entries, _, err := readAll(t, bytes.NewReader(archive(t, header(name, tar.TypeDir, nil))), wide)
		if err != nil || len(entries) != 1 || entries[0].Name != want {
			t.Errorf("%q: %+v %v", name, entries, err)
		}
	}
}

func TestAttributesThatCannotBeStoredAreLeftOut(t *testing.T) {
	h := header("a", tar.TypeReg, func(h *tar.Header) {
		h.PAXRecords = map[string]string{"SCHILY.xattr.user.a": "1", "SCHILY.xattr.odd.name": "2", "SCHILY.xattr.system.posix_acl_access": "3", "SCHILY.xattr.security.selinux": "4"}
	})
	entries, leftOut, err := readAll(t, bytes.NewReader(archive(t, h)), wide)
	if err != nil || len(leftOut) != 2 || len(entries[0].Attributes.Xattrs) != 1 || entries[0].Attributes.Xattrs[0].Name != "a" {
		t.Errorf("%+v %q %v", entries, leftOut, err)
	}
}

func TestBombsAreRefused(t *testing.T) {
	limits := Limits{MaxBytes: 1 << 20, MaxEntries: 10}
	large := archive(t, header("a", tar.TypeReg, func(h *tar.Header) { h.Size = 2 << 20 }))
	var zipped, zstded bytes.Buffer
	g := gzip.NewWriter(&zipped)
	z, err := zstd.NewWriter(&zstded)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []io.WriteCloser{g, z} {
		if _, err := io.Copy(w, io.MultiReader(bytes.NewReader(archive(t)), io.LimitReader(zeros{}, 8<<20))); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	// A name with a content of 1 TiB, which only its header says.
	sparse := sparseHeader("a", 1<<40)
	many := archive(t, bytesOf(11)...)
	for what, blob := range map[string][]byte{"a large file": large, "gzip": zipped.Bytes(), "zstd": zstded.Bytes(), "a sparse file": sparse, "many entries": many} {
		_, _, err := readAll(t, bytes.NewReader(blob), limits)
		requireBad(t, what, err, fault.TooLarge)
	}
	// Layers share the limits.
	budget := NewBudget(limits)
	for at := range 2 {
		reader, err := Open(t.Context(), bytes.NewReader(archive(t, bytesOf(6)...)), budget)
		for err == nil {
			_, err = reader.Next()
		}
		if (at == 0) != errors.Is(err, io.EOF) {
			t.Errorf("layer %d: %v", at, err)
		}
		reader.Close()
	}
}

func bytesOf(count int) []tar.Header {
	var found []tar.Header
	for range count {
		found = append(found, header("a", tar.TypeReg, nil))
	}
	return found
}

// sparseHeader is an entry in GNU's old format for sparse files: one hole.
func sparseHeader(name string, size int64) []byte {
	b := make([]byte, 1536)
	copy(b, name)
	copy(b[100:], "0000644\x000000000\x000000000\x0000000000000\x0000000000000\x00")
	b[156] = 'S'
	copy(b[257:], "ustar  \x00")
	octal := func(at int, value int64) {
		for place := at + 10; place >= at; place-- {
			b[place], value = byte('0'+value&7), value>>3
		}
	}
	// One data run of 0 bytes at the end.
	octal(386, size&(1<<33-1))
	octal(398, 0)
	if size >= 1<<33 {
		putBase256(b[386:398], size)
		putBase256(b[483:495], size)
	} else {
		octal(483, size)
	}
	sum := 0
	copy(b[148:156], "        ")
	for _, c := range b[:512] {
		sum += int(c)
	}
	for place := 153; place >= 148; place-- {
		b[place], sum = byte('0'+sum&7), sum>>3
	}
	b[154], b[155] = 0, ' '
	return b
}

func putBase256(field []byte, value int64) {
	clear(field)
	for at := len(field) - 1; value > 0; at-- {
		field[at], value = byte(value), value>>8
	}
	field[0] |= 0x80
}

func TestASparseFileTakesNoBlocksForItsHoles(t *testing.T) {
	entries, _, err := readAll(t, bytes.NewReader(sparseHeader("a", 10<<20)), wide)
	if err != nil || len(entries) != 1 || !entries[0].IsSparse || entries[0].SizeBytes != 10<<20 || entries[0].Blocks != 0 {
		t.Errorf("%+v %v", entries, err)
	}
}

func TestACancelledReaderEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	before := runtime.NumGoroutine()
	reader, err := Open(ctx, io.MultiReader(bytes.NewReader(archive(t, header("a", tar.TypeReg, nil))[:1024]), zeros{}), NewBudget(wide))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Next(); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := reader.Finish(); !errors.Is(err, context.Canceled) {
		t.Errorf("found %v", err)
	}
	reader.Close()
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines, %d before", after, before)
	}
}

func FuzzLayer(f *testing.F) {
	f.Add(archive(f, header("a/", tar.TypeDir, nil), header("a/b", tar.TypeReg, func(h *tar.Header) { h.Size = 100 })))
	f.Add(archive(f, header("l", tar.TypeSymlink, func(h *tar.Header) { h.Linkname = "a" }), header("h", tar.TypeLink, func(h *tar.Header) { h.Linkname = "l" })))
	f.Add(sparseHeader("s", 1<<20))
	f.Add([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"))
	f.Add([]byte("\x28\xb5\x2f\xfd\x04\x00"))
	f.Fuzz(func(t *testing.T, blob []byte) {
		entries, _, err := readAll(t, bytes.NewReader(blob), Limits{MaxBytes: 8 << 20, MaxEntries: 100})
		var known *fault.Error
		if err != nil && !errors.As(err, &known) {
			t.Errorf("an error without a code: %v", err)
		}
		for _, e := range entries {
			if e.Name == "" || strings.HasPrefix(e.Name, "/") || strings.HasPrefix(e.Name+"/", "../") || strings.Contains(e.Name, "/../") {
				t.Errorf("a path %q", e.Name)
			}
		}
	})
}
