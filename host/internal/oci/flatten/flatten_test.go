package flatten

import (
	"errors"
	"fmt"
	"maps"
	"math/rand"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"banger.dev/host/internal/oci/fault"
	"banger.dev/host/internal/oci/layers"
)

// model is a tree as a list of paths: slow, and so simple that it is right. It has no symlinks on the way.
type model struct {
	files map[string]string
	// upper are the paths that the current layer has entries at or below.
	upper map[string]bool
}

func (m *model) apply(e *layers.Entry) {
	folder, base := path.Split(e.Name)
	folder = strings.TrimSuffix(folder, "/")
	if hidden, isWhiteout := strings.CutPrefix(base, ".wh."); isWhiteout {
		at := path.Join(folder, hidden)
		for name := range m.files {
			isBelow := strings.HasPrefix(name, at+"/")
			if hidden == ".wh..opq" {
				isBelow = folder == "" || strings.HasPrefix(name, folder+"/")
				at = ""
			}
			if (name == at || isBelow) && !m.upper[name] {
				delete(m.files, name)
			}
		}
		return
	}
	at := ""
	for part := range strings.SplitSeq(folder, "/") {
		if at = path.Join(at, part); at != "" && m.files[at] != "folder" {
			m.remove(at)
			m.files[at] = "folder"
		}
	}
	if kind := kindOf(e); kind != "folder" || m.files[e.Name] != "folder" {
		m.remove(e.Name)
		m.files[e.Name] = kind
	}
	for at := e.Name; at != "." && at != ""; at = path.Dir(at) {
		m.upper[at] = true
	}
}

func (m *model) remove(at string) {
	maps.DeleteFunc(m.files, func(name, _ string) bool { return name == at || strings.HasPrefix(name, at+"/") })
}

func kindOf(e *layers.Entry) string {
	if e.Kind == layers.Folder {
		return "folder"
	}
	return fmt.Sprint("file ", e.SizeBytes)
}

func flat(tree *Tree) map[string]string {
	found := map[string]string{}
	var add func(name string, at *Name)
	add = func(name string, at *Name) {
		for base, child := range at.Children {
			below := path.Join(name, base)
			found[below] = "folder"
			if child.Kind != layers.Folder {
				found[below] = fmt.Sprint("file ", child.SizeBytes)
			}
			add(below, child)
		}
	}
	add("", tree.Top)
	return found
}

func TestRandomLayersAreWhatTheModelSays(t *testing.T) {
	for seed := range int64(2000) {
		r := rand.New(rand.NewSource(seed))
		tree, m := New(time.Unix(0, 0)), &model{files: map[string]string{}}
		var said []string
		for range 1 + r.Intn(4) {
			tree.BeginLayer()
			m.upper = map[string]bool{}
			for at := range 1 + r.Intn(12) {
				e := randomEntry(r)
				e.SizeBytes = int64(at)
				said = append(said, fmt.Sprintf("%d %s", e.Kind, e.Name))
				if err := tree.Apply(e); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				m.apply(e)
			}
			said = append(said, "layer")
		}
		if found := flat(tree); !maps.Equal(found, m.files) {
			t.Fatalf("seed %d: %q\n found %v\n want  %v", seed, said, found, m.files)
		}
	}
}

func randomEntry(r *rand.Rand) *layers.Entry {
	parts := make([]string, 1+r.Intn(3))
	for at := range parts {
		parts[at] = string(rune('a' + r.Intn(3)))
	}
	e := &layers.Entry{Kind: layers.File}
	switch r.Intn(6) {
	case 0:
		parts[len(parts)-1] = ".wh." + parts[len(parts)-1]
	case 1:
		parts = append(parts, ".wh..wh..opq")[r.Intn(2):]
	case 2, 3:
		e.Kind = layers.Folder
	}
	e.Name = strings.Join(parts, "/")
	return e
}

func TestTheOrderOfWhiteoutsInALayerDoesNotMatter(t *testing.T) {
	lower := []*layers.Entry{file("a/old"), file("a/both"), file("b")}
	upper := []*layers.Entry{file("a/new"), file("a/both"), file("a/.wh..wh..opq"), file(".wh.b"), folder("c"), file("c/.wh.d")}
	want := map[string]string{"a": "folder", "a/new": "file 0", "a/both": "file 0", "c": "folder"}
	for range 200 {
		rand.Shuffle(len(upper), func(x, y int) { upper[x], upper[y] = upper[y], upper[x] })
		tree := New(time.Unix(0, 0))
		for _, layer := range [][]*layers.Entry{lower, upper} {
			tree.BeginLayer()
			for _, e := range layer {
				if err := tree.Apply(e); err != nil {
					t.Fatal(err)
				}
			}
		}
		if found := flat(tree); !maps.Equal(found, want) {
			t.Fatalf("found %v", found)
		}
	}
}

func file(name string) *layers.Entry { return &layers.Entry{Name: name, Kind: layers.File} }

func folder(name string) *layers.Entry { return &layers.Entry{Name: name, Kind: layers.Folder} }

func TestLayersThatCannotBeAreRefused(t *testing.T) {
	link := func(name, target string, kind layers.Kind) *layers.Entry {
		return &layers.Entry{Name: name, Target: target, Kind: kind}
	}
	for what, entries := range map[string][]*layers.Entry{
		"the top is a file":    {file(".")},
		"a link to nothing":    {link("a", "b", layers.HardLink)},
		"a link to a folder":   {folder("b"), link("a", "b", layers.HardLink)},
		"a link into a file":   {file("b"), link("a", "b/c", layers.HardLink)},
		"a loop of symlinks":   {link("a", "b", layers.Symlink), link("b", "a", layers.Symlink), file("a/x")},
		"a symlink to itself":  {link("a", "a/a", layers.Symlink), file("a/x")},
		"a growing symlink":    {link("a", strings.Repeat("a/", 2000), layers.Symlink), file("a/x")},
		"an unnamed whiteout":  {file("a/.wh.")},
		"folders without end":  {file(strings.Repeat("a/", 3000) + "x")},
		"folders through link": {link("l", strings.Repeat("a/", 2000), layers.Symlink), file("l/" + strings.Repeat("b/", 2000) + "x")},
	} {
		tree := New(time.Unix(0, 0))
		tree.BeginLayer()
		var err error
		for _, e := range entries {
			err = errors.Join(err, tree.Apply(e))
		}
		var known *fault.Error
		if !errors.As(err, &known) || known.Code != fault.ArchiveBad {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestALinkToItselfIsNoChange(t *testing.T) {
	tree := New(time.Unix(0, 0))
	tree.BeginLayer()
	for _, e := range []*layers.Entry{file("a"), {Name: "a", Target: "a", Kind: layers.HardLink}} {
		if err := tree.Apply(e); err != nil {
			t.Fatal(err)
		}
	}
	if found := flat(tree); !maps.Equal(found, map[string]string{"a": "file 0"}) {
		t.Errorf("found %v", found)
	}
}

func TestManyWhiteoutsTakeNoMoreThanTheirNumber(t *testing.T) {
	tree := New(time.Unix(0, 0))
	tree.BeginLayer()
	const count = 50_000
	for at := range count {
		if err := tree.Apply(file(fmt.Sprintf("a/%d", at))); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	for _, e := range slices.Repeat([]*layers.Entry{file("a/.wh..wh..opq"), file(".wh.a"), file(".wh..wh..opq")}, count) {
		if err := tree.Apply(e); err != nil {
			t.Fatal(err)
		}
	}
	// With a walk for each it takes hours.
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it took %s", took)
	}
	if found := len(tree.Top.Children["a"].Children); found != count {
		t.Errorf("%d files", found)
	}
}
