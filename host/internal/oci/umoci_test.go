package oci

import (
	"archive/tar"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// byUmoci is what umoci unpacks of a layout, or an error. Old versions know no zstd.
func byUmoci(t testing.TB, layout string) (string, error) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can unpack as root does")
	}
	program, err := exec.LookPath("umoci")
	if err != nil {
		t.Skip("umoci is not installed")
	}
	bundle := filepath.Join(t.TempDir(), "bundle")
	out, err := exec.Command(program, "unpack", "--image", layout+":v1", bundle).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return filepath.Join(bundle, "rootfs"), nil
}

// requireAsUmoci compares an image's root file system with what umoci unpacks.
func requireAsUmoci(t testing.TB, made image) bool {
	t.Helper()
	layout, since := made.write(t), time.Now()
	want, err := byUmoci(t, layout)
	if err != nil {
		t.Logf("umoci: %v", err)
		return false
	}
	found := treeOf(t, unpackedTree(t, "oci:"+layout), since)
	requireSameTree(t, found, treeOf(t, want, since))
	return true
}

func TestARootFileSystemIsWhatUmociUnpacks(t *testing.T) {
	capability := "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	list := "\x02\x00\x00\x00\x01\x00\x07\x00\xff\xff\xff\xff\x02\x00\x07\x00\xe8\x03\x00\x00\x04\x00\x05\x00\xff\xff\xff\xff\x10\x00\x07\x00\xff\xff\xff\xff\x20\x00\x05\x00\xff\xff\xff\xff"
	for what, layers := range map[string][][]entry{
		"attributes": {{
			{name: "ping", content: "x", xattrs: map[string]string{"security.capability": capability}},
			{name: "large", content: "x", xattrs: map[string]string{"user.a": strings.Repeat("v", 2000), "trusted.b": "c", "user.empty": ""}},
			{name: "list/", kind: tar.TypeDir, xattrs: map[string]string{"system.posix_acl_access": list, "system.posix_acl_default": list}},
			{name: "labelled", xattrs: map[string]string{"security.selinux": "x"}},
			{name: "setuid", mode: 0o6755, uid: 4_000_000_000},
			{name: "sticky/", kind: tar.TypeDir, mode: 0o1777},
			{name: "fifo", kind: tar.TypeFifo, mode: 0o600},
		}, {
			{name: "large", kind: tar.TypeLink, content: "ping"},
			{name: "list/", kind: tar.TypeDir, mode: 0o700},
		}},
		"names": {{
			{name: strings.Repeat("n", 255), content: "x"},
			{name: path.Join(strings.Repeat("d", 200), strings.Repeat("e", 200), "f"), content: "x"},
			{name: "long", kind: tar.TypeSymlink, content: strings.Repeat("t", 4000)},
			{name: "59", kind: tar.TypeSymlink, content: strings.Repeat("t", 59)},
			{name: "60", kind: tar.TypeSymlink, content: strings.Repeat("t", 60)},
			{name: "ü\xff \n", content: "odd"},
			{name: "/absolute", content: "x"},
			{name: "./a/../b", content: "x"},
		}},
		"links of lower layers": {{
			{name: "a", content: "old"}, {name: "b", kind: tar.TypeLink, content: "a"},
			{name: "s", kind: tar.TypeSymlink, content: "a"}, {name: "t", kind: tar.TypeLink, content: "s"},
		}, {
			{name: "c", kind: tar.TypeLink, content: "b"}, {name: "a", content: "new"}, {name: ".wh.s"},
		}},
		"folders and files in turn": {{
			{name: "x/", kind: tar.TypeDir, mode: 0o700}, {name: "x/y", content: "1"}, {name: "z", content: "2"}, {name: "l", kind: tar.TypeSymlink, content: "x"},
		}, {
			{name: "x", content: "file now"}, {name: "z/", kind: tar.TypeDir}, {name: "z/in", content: "3"}, {name: "l/", kind: tar.TypeDir}, {name: "l/m"},
		}},
		"whiteouts": {{
			{name: "a/b/c", content: "1"}, {name: "a/d", content: "2"}, {name: "o/p", content: "3"}, {name: "o/q/r", content: "4"}, {name: "keep"},
		}, {
			{name: "a/b/new"}, {name: "a/.wh.b"}, {name: "o/first"}, {name: "o/.wh..wh..opq"}, {name: "o/q/last"}, {name: ".wh.none"}, {name: "none/.wh.none"},
		}, {
			{name: "o/.wh.first"}, {name: ".wh.keep"}, {name: "keep/", kind: tar.TypeDir},
		}},
		"symlinks on the way": {{
			{name: "usr/lib/", kind: tar.TypeDir}, {name: "lib", kind: tar.TypeSymlink, content: "usr/lib"},
			{name: "out", kind: tar.TypeSymlink, content: "../../../../usr"}, {name: "abs", kind: tar.TypeSymlink, content: "/usr"},
		}, {
			{name: "lib/x", content: "1"}, {name: "out/y", content: "2"}, {name: "abs/lib/z", content: "3"}, {name: "dangling", kind: tar.TypeSymlink, content: "not/there"}, {name: "dangling/in", content: "4"},
		}, {
			{name: "lib/.wh.x"},
		}},
	} {
		t.Run(what, func(t *testing.T) {
			var parts []part
			for at, entries := range layers {
				parts = append(parts, layerOf(t, []string{"+gzip", ""}[at%2], entries...))
			}
			if !requireAsUmoci(t, imageOf(t, "amd64", parts...)) {
				t.Error("umoci refuses it")
			}
		})
	}
}

func TestRandomLayersBecomeWhatUmociUnpacks(t *testing.T) {
	if _, err := exec.LookPath("umoci"); err != nil {
		t.Skip("umoci is not installed")
	}
	accepted := 0
	const cases = 50
	for seed := range int64(cases) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewSource(seed))
			var parts []part
			var there []string
			for range 1 + r.Intn(4) {
				entries := randomLayer(r, &there)
				parts = append(parts, layerOf(t, []string{"+gzip", ""}[r.Intn(2)], entries...))
			}
			if requireAsUmoci(t, imageOf(t, "amd64", parts...)) {
				accepted++
			}
		})
	}
	if !t.Skipped() && accepted < cases/3 && os.Geteuid() == 0 {
		t.Errorf("umoci accepts only %d of %d images", accepted, cases)
	}
}

// randomLayer returns entries with few names, so that they meet.
func randomLayer(r *rand.Rand, there *[]string) []entry {
	var entries []entry
	name := func() string {
		parts := make([]string, 1+r.Intn(5)/2)
		for at := range parts {
			parts[at] = string(rune('a' + r.Intn(4)))
		}
		return strings.Join(parts, "/")
	}
	for range 1 + r.Intn(10) {
		e := entry{name: name(), mode: []int64{0o644, 0o700, 0o4755, 0o1777}[r.Intn(4)], uid: r.Intn(3)}
		switch r.Intn(10) {
		case 0, 1, 2:
			e.kind = tar.TypeDir
		case 3:
			e.kind, e.content = tar.TypeSymlink, strings.Repeat("../", r.Intn(3))+name()
		case 4:
			if len(*there) > 0 {
				e.kind, e.content = tar.TypeLink, (*there)[r.Intn(len(*there))]
			}
		case 5:
			e.name = path.Join(path.Dir(e.name), ".wh."+path.Base(e.name))
		case 6:
			e.name = path.Join(e.name, ".wh..wh..opq")
		case 7:
			e.kind = tar.TypeFifo
		default:
			e.content = fmt.Sprint("content ", r.Intn(1000))
		}
		if r.Intn(5) == 0 {
			e.xattrs = map[string]string{"user.a": fmt.Sprint(r.Intn(100))}
			if e.kind == tar.TypeSymlink || e.kind == tar.TypeFifo {
				e.xattrs = nil
			}
		}
		entries = append(entries, e)
		if e.kind == 0 && !strings.Contains(e.name, ".wh.") {
			*there = append(*there, e.name)
		}
	}
	return entries
}
