package identity

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority is not a certificate that any program would take, and has the form of one.
func authority(letter, hash string) Authority {
	body := strings.Repeat(letter, 64)
	return Authority{"-----BEGIN CERTIFICATE-----\n" + body + "\n-----END CERTIFICATE-----\n", hash}
}

func applySurroundings(t *testing.T, system System, wanted Surroundings) []Unwritten {
	t.Helper()
	body, err := json.Marshal(map[string]any{"surroundings": wanted})
	if err != nil {
		t.Fatal(err)
	}
	unwritten, err := system.Apply(decode(t, string(body)), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return unwritten
}

// tree is what is in a folder: contents of files, targets of symlinks.
func tree(t *testing.T, root string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name := strings.TrimPrefix(path, root)
		if entry.Type()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(path)
			found[name] = "-> " + target
			return err
		}
		found[name] = read(t, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func putFile(t *testing.T, path, content string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func expectTree(t *testing.T, root string, want map[string]string) {
	t.Helper()
	got := tree(t, root)
	for name, content := range want {
		if got[name] != content {
			t.Errorf("%s: got %q, want %q", name, got[name], content)
		}
	}
	for name := range got {
		if _, wanted := want[name]; !wanted {
			t.Errorf("found %s: %q", name, got[name])
		}
	}
}

func TestSurroundingsOfNothingTouchNothing(t *testing.T) {
	system, _ := recorder(t)
	putFile(t, system.Root+environmentFile, "PATH=mine\n")
	putFile(t, system.Root+bundle, "theirs\n")
	before := statOf(t, system.Root+environmentFile)
	if left := applySurroundings(t, system, Surroundings{}); len(left) > 0 {
		t.Fatalf("got %v", left)
	}
	expectTree(t, system.Root, map[string]string{environmentFile: "PATH=mine\n", bundle: "theirs\n"})
	if after := statOf(t, system.Root+environmentFile); after.Ctim != before.Ctim {
		t.Error("the file was written")
	}
}

func TestVariablesFollowTheHostAndTheUsersOwnWin(t *testing.T) {
	system, _ := recorder(t)
	path := system.Root + environmentFile
	own := "http_proxy=mine\n# a comment\n"
	putFile(t, path, own)
	for _, step := range []struct {
		env    map[string]string
		secret bool
		want   string
		mode   fs.FileMode
	}{
		{map[string]string{"no_proxy": "a,b", "http_proxy": "http://u:p@h:1"}, true, blockBegin + "http_proxy=http://u:p@h:1\nno_proxy=a,b\n" + blockEnd + own, 0o600},
		{map[string]string{"http_proxy": "http://h"}, false, blockBegin + "http_proxy=http://h\n" + blockEnd + own, 0o644},
		{nil, false, own, 0o644},
	} {
		for range 2 {
			applySurroundings(t, system, Surroundings{Environment: step.env, IsSecret: step.secret})
			info, err := os.Stat(path)
			if got := read(t, path); err != nil || got != step.want || info.Mode() != step.mode {
				t.Errorf("got %q, mode %v, error %v", got, info.Mode(), err)
			}
		}
	}
}

func TestABlockThatTheUserHasCutLosesOnlyItsMark(t *testing.T) {
	for content, want := range map[string]string{
		blockBegin + "a=1\nb=2\n":       "a=1\nb=2\n",
		"x=1\n" + blockBegin:            "x=1\n",
		"x=1\n" + blockEnd + "y=2\n":    "x=1\n" + blockEnd + "y=2\n",
		"x=1 " + blockBegin + "y=2\n":   "x=1 " + blockBegin + "y=2\n",
		blockBegin + blockEnd + "z=3\n": "z=3\n",
	} {
		if got, _ := withoutBlock([]byte(content)); string(got) != want {
			t.Errorf("%q: got %q", content, got)
		}
	}
}

func TestAuthoritiesFollowTheHost(t *testing.T) {
	system, _ := recorder(t)
	image := authority("i", "").PEM
	putFile(t, system.Root+bundle, image)
	putFile(t, system.Root+hashFolder+"/0123abcd.0", "the image's")
	a, b := authority("a", "0123abcd"), authority("b", "89abcdef")
	nameOf := func(one Authority) string {
		files, _ := filesOf([]Authority{one})
		for name := range files {
			return authorityFolder + "/" + name
		}
		return ""
	}
	base := map[string]string{hashFolder + "/0123abcd.0": "the image's"}
	with := func(more map[string]string) map[string]string {
		for name, content := range base {
			more[name] = content
		}
		return more
	}
	ino := statOf(t, system.Root+bundle).Ino
	for _, step := range []struct {
		wanted []Authority
		want   map[string]string
	}{
		{[]Authority{a}, with(map[string]string{
			bundle:                                 image + blockBegin + a.PEM + blockEnd,
			hashFolder + "/0123abcd.1":             "-> " + nameOf(a),
			nameOf(a):                              a.PEM,
			authorityFolder + "/" + allAuthorities: a.PEM,
		})},
		{[]Authority{a, b}, with(map[string]string{
			bundle:                                 image + blockBegin + a.PEM + b.PEM + blockEnd,
			hashFolder + "/0123abcd.1":             "-> " + nameOf(a),
			hashFolder + "/89abcdef.0":             "-> " + nameOf(b),
			nameOf(a):                              a.PEM,
			nameOf(b):                              b.PEM,
			authorityFolder + "/" + allAuthorities: a.PEM + b.PEM,
		})},
		{[]Authority{b}, with(map[string]string{
			bundle:                                 image + blockBegin + b.PEM + blockEnd,
			hashFolder + "/89abcdef.0":             "-> " + nameOf(b),
			nameOf(b):                              b.PEM,
			authorityFolder + "/" + allAuthorities: b.PEM,
		})},
		{nil, with(map[string]string{bundle: image})},
	} {
		for range 2 {
			if left := applySurroundings(t, system, Surroundings{Authorities: step.wanted}); len(left) > 0 {
				t.Fatalf("got %v", left)
			}
			expectTree(t, system.Root, step.want)
		}
		if len(step.wanted) == 1 && step.wanted[0] == a && statOf(t, system.Root+bundle).Ino != ino {
			t.Error("the first certificate replaced the whole file")
		}
	}
}

func TestWhatCannotBeWrittenIsToldAndFailsNothing(t *testing.T) {
	system, _ := recorder(t)
	if err := errors.Join(os.MkdirAll(system.Root+environmentFile, 0o755), os.MkdirAll(system.Root+bundle, 0o755)); err != nil {
		t.Fatal(err)
	}
	left := applySurroundings(t, system, Surroundings{
		Environment: map[string]string{"a": "1"},
		Authorities: []Authority{authority("a", "0123abcd")},
	})
	if len(left) != 2 || left[0].Path != environmentFile || left[1].Path != bundle {
		t.Fatalf("got %v", left)
	}
}

func TestReadRefusesSurroundingsThatWouldSayMore(t *testing.T) {
	bad := []Surroundings{
		{Environment: map[string]string{"a b": "1"}},
		{Environment: map[string]string{"": "1"}},
		{Environment: map[string]string{"a": "secret\nb=2"}},
		{Environment: map[string]string{"a": "\"secret"}},
		{Authorities: []Authority{{"secret", "0123abcd"}}},
		{Authorities: []Authority{authority("a", "../../et")}},
		{Authorities: []Authority{authority("a", "")}},
		{Authorities: []Authority{{authority("a", "").PEM + "more", "0123abcd"}}},
	}
	for _, surroundings := range bad {
		body, err := json.Marshal(map[string]any{"surroundings": surroundings})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Read(strings.NewReader(string(body))); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v: got %v", surroundings, err)
		}
	}
}
