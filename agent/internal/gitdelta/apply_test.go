package gitdelta

import (
	"crypto/sha1"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const sentBefore, sentNow = "1111111111111111111111111111111111111111", "2222222222222222222222222222222222222222"

// files are contents of paths; "+x " at its beginning makes it a program.
type files map[string]string

func put(t *testing.T, top string, files files) {
	t.Helper()
	for name, content := range files {
		path, mode := filepath.Join(top, name), os.FileMode(0o644)
		if program, isProgram := strings.CutPrefix(content, "+x "); isProgram {
			content, mode = program, 0o755
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), mode)); err != nil {
			t.Fatal(err)
		}
	}
}

// get returns all files of a folder.
func get(t *testing.T, top string) files {
	t.Helper()
	found := files{}
	err := filepath.WalkDir(top, func(name string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		path, _ := filepath.Rel(top, name)
		if target, err := os.Readlink(name); err == nil {
			found[path] = "-> " + target
			return nil
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if found[path] = string(content); info.Mode()&0o100 != 0 {
			found[path] = "+x " + string(content)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func entries(files files) string {
	text := ""
	for _, path := range slices.Sorted(maps.Keys(files)) {
		content, isProgram := strings.CutPrefix(files[path], "+x ")
		mode := modeFile
		if isProgram {
			mode = modeRun
		}
		text += fmt.Sprintf("%s %x\t%s\x00", mode, sha1.Sum(fmt.Appendf(nil, "blob %d\x00%s", len(content), content)), path)
	}
	return text
}

var before = files{"a": "one", "b/c/run": "+x two", "b/c/gone": "three", "d": "four", ".git/refs/banger/sent": sentBefore + "\n"}

// sent is a working tree with a delta that was not applied yet.
func sent(t *testing.T) string {
	t.Helper()
	top := t.TempDir()
	put(t, top, before)
	new := files{"a": "one now", "b/c/run": "+x two now", "e/f/added": "added"}
	put(t, filepath.Join(top, ".git/banger/incoming"), new)
	put(t, filepath.Join(top, ".git/banger/incoming/.git"), files{
		"old":                       entries(files{"a": before["a"], "b/c/run": before["b/c/run"], "b/c/gone": before["b/c/gone"]}),
		"new":                       entries(new),
		"deleted":                   "b/c/gone\x00",
		"folders":                   "b/c\x00b\x00",
		"filtered":                  "",
		"git-deleted":               "",
		"structure.sh":              "",
		"apply.sh":                  "",
		"refs":                      "update refs/banger/sent " + sentNow + "\n",
		"pack-" + sentNow + ".idx":  "index",
		"pack-" + sentNow + ".pack": "pack",
	})
	if err := os.MkdirAll(filepath.Join(top, ".git/objects/pack"), 0o755); err != nil {
		t.Fatal(err)
	}
	return top
}

func TestApplyReplacesAddsAndDeletes(t *testing.T) {
	for _, steps := range [][]string{{"apply"}, {"check", "apply"}} {
		top := sent(t)
		for _, how := range steps {
			if err := Apply(top, how); err != nil {
				t.Fatalf("%s: %v", how, err)
			}
		}
		want := files{
			"a": "one now", "b/c/run": "+x two now", "d": "four", "e/f/added": "added",
			".git/refs/banger/sent":                       sentNow + "\n",
			".git/objects/pack/pack-" + sentNow + ".idx":  "index",
			".git/objects/pack/pack-" + sentNow + ".pack": "pack",
		}
		if got := get(t, top); !maps.Equal(got, want) {
			t.Errorf("%s: got %q", steps, got)
		}
		if _, err := os.Lstat(filepath.Join(top, ".git/banger/meta")); err == nil {
			t.Error("the delta is still there")
		}
	}
}

func TestApplyLeavesTheRestToTheScript(t *testing.T) {
	meta := ".git/banger/incoming/.git/"
	link := func(t *testing.T, top, name string) {
		t.Helper()
		path := filepath.Join(top, name)
		if err := errors.Join(os.RemoveAll(path), os.Symlink("elsewhere", path)); err != nil {
			t.Fatal(err)
		}
	}
	for what, change := range map[string]func(t *testing.T, top string){
		"the guest has changed a file": func(t *testing.T, top string) { put(t, top, files{"a": "mine"}) },
		"the guest has changed a mode": func(t *testing.T, top string) {
			put(t, top, files{"x": ""})
			_ = os.Chmod(filepath.Join(top, "a"), 0o755)
		},
		"the guest has deleted a file":     func(t *testing.T, top string) { _ = os.Remove(filepath.Join(top, "b/c/gone")) },
		"the guest has made a file":        func(t *testing.T, top string) { put(t, top, files{"e/f/added": "mine"}) },
		"a file is where a folder must be": func(t *testing.T, top string) { put(t, top, files{"e": "mine"}) },
		"a link is where a folder must be": func(t *testing.T, top string) { link(t, top, "b/c") },
		"a link is where a file was":       func(t *testing.T, top string) { link(t, top, "a") },
		"a link comes":                     func(t *testing.T, top string) { link(t, top, ".git/banger/incoming/a") },
		"another folder comes":             func(t *testing.T, top string) { _ = os.Mkdir(filepath.Join(top, ".git/banger/incoming/sub"), 0o755) },
		"another file comes":               func(t *testing.T, top string) { put(t, top, files{".git/banger/incoming/d": "x"}) },
		"a file does not come":             func(t *testing.T, top string) { _ = os.Remove(filepath.Join(top, ".git/banger/incoming/a")) },
		"HEAD moves":                       func(t *testing.T, top string) { put(t, top, files{meta + "HEAD": sentNow}) },
		"the index changes":                func(t *testing.T, top string) { put(t, top, files{meta + "index": "DIRC"}) },
		"git's files change":               func(t *testing.T, top string) { put(t, top, files{meta + "git/config": "x"}) },
		"changes are discarded":            func(t *testing.T, top string) { put(t, top, files{meta + "discard": ""}) },
		"there are filters":                func(t *testing.T, top string) { put(t, top, files{meta + "filtered": "a\x00"}) },
		"another ref moves": func(t *testing.T, top string) {
			put(t, top, files{meta + "refs": "update refs/heads/x " + sentNow + "\n"})
		},
		"a path leads elsewhere":     func(t *testing.T, top string) { put(t, top, files{meta + "new": "100644 " + sentNow + "\t../x\x00"}) },
		"a path is git's":            func(t *testing.T, top string) { put(t, top, files{meta + "new": "100644 " + sentNow + "\t.git/x\x00"}) },
		"a link changes":             func(t *testing.T, top string) { put(t, top, files{meta + "old": "120000 " + sentNow + "\ta\x00"}) },
		"it has begun to be applied": func(t *testing.T, top string) { put(t, top, files{".git/banger/meta/ready": ""}) },
		"refs are in a table":        func(t *testing.T, top string) { put(t, top, files{".git/reftable/x": ""}) },
	} {
		t.Run(what, func(t *testing.T) {
			top := sent(t)
			change(t, top)
			had := get(t, top)
			if err := Apply(top, "apply"); !errors.Is(err, ErrNotSimple) {
				t.Fatalf("got %v", err)
			}
			if got := get(t, top); !maps.Equal(got, had) {
				t.Errorf("got %q, before %q", got, had)
			}
		})
	}
	if err := Apply(sent(t), "force"); !errors.Is(err, ErrNotSimple) {
		t.Errorf("force: got %v", err)
	}
}

func FuzzParseEntries(f *testing.F) {
	f.Add(entries(before))
	f.Add("100644 " + sentNow + "\t/etc/x\x00")
	f.Fuzz(func(t *testing.T, text string) {
		found, err := parseEntries(text)
		for path := range found {
			if err == nil && (!filepath.IsLocal(path) || strings.HasPrefix(path+"/", ".git/")) {
				t.Errorf("got %q", path)
			}
		}
	})
}

func TestApplyLeavesTheWorkingTreeOfAnotherUserToTheScript(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a folder away")
	}
	top := sent(t)
	if err := os.Chown(top, 4321, 4321); err != nil {
		t.Fatal(err)
	}
	for _, how := range []string{"check", "apply"} {
		if err := Apply(top, how); !errors.Is(err, ErrNotSimple) {
			t.Errorf("%s: got %v", how, err)
		}
	}
}
