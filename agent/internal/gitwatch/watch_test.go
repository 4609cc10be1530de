package gitwatch

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// mounted is a new file system of its own.
func mounted(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may mount a file system")
	}
	top := t.TempDir()
	if err := unix.Mount("tmpfs", top, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(top, unix.MNT_DETACH) })
	return top
}

// repository is a folder with files in a file system of its own, which is watched from then on.
func repository(t *testing.T) (*Watch, string) {
	t.Helper()
	top := filepath.Join(mounted(t), "repo")
	for _, name := range []string{"a", "b/c/one", "b/c/two", "b/three", ".git/index"} {
		write(t, filepath.Join(top, name), "before")
	}
	watch := new(Watch)
	if err := watch.Begin(filepath.Dir(top), true); err != nil {
		t.Fatal(err)
	}
	return watch, top
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func do(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func ask2(t *testing.T, watch *Watch, top, token string) (string, []string) {
	t.Helper()
	next, names, err := watch.Answer(top, token)
	if err != nil {
		t.Fatal(err)
	}
	return next, names
}

var base = strconv.Itoa(baseToken)

func TestAnswerIsWhatHasChanged(t *testing.T) {
	watch, top := repository(t)
	if _, names := ask2(t, watch, top, base); len(names) != 0 {
		t.Fatalf("nothing has changed: %q", names)
	}
	mapped := filepath.Join(top, "b/three")
	for _, step := range []struct {
		what string
		do   func()
		want []string
	}{
		{"a file is written", func() { write(t, filepath.Join(top, "b/c/one"), "after") }, []string{"b/c/one"}},
		{"a file is made in a new folder", func() { write(t, filepath.Join(top, "n/m/new"), "") }, []string{"n", "n/m", "n/m/new"}},
		{"a file is deleted", func() { do(t, os.Remove(filepath.Join(top, "b/c/two"))) }, []string{"b/c/two"}},
		{"a file is renamed", func() { do(t, os.Rename(filepath.Join(top, "a"), filepath.Join(top, "b/a"))) }, []string{"a", "b/a"}},
		{"permissions change", func() { do(t, os.Chmod(filepath.Join(top, "b/a"), 0o755)) }, []string{"b/a"}},
		{"a file is mapped and written", func() { writeMapped(t, mapped) }, []string{"b/three"}},
		{"a link is made", func() { do(t, os.Symlink("a", filepath.Join(top, "link"))) }, []string{"link"}},
		{"a folder is deleted", func() { do(t, os.RemoveAll(filepath.Join(top, "n"))) }, []string{"n", "n/m", "n/m/new"}},
		{"git's own files change", func() { write(t, filepath.Join(top, ".git/index"), "after") }, nil},
		{"git's own folders change", func() {
			write(t, filepath.Join(top, ".git/banger/incoming/.git/new"), "")
			write(t, filepath.Join(top, ".git/banger/incoming/b/c/one"), "")
			do(t, os.Rename(filepath.Join(top, ".git/banger/incoming/.git"), filepath.Join(top, ".git/banger/meta")),
				os.RemoveAll(filepath.Join(top, ".git/banger")))
		}, nil},
		{"files elsewhere change", func() { write(t, filepath.Join(filepath.Dir(top), "repo2/x"), "") }, nil},
	} {
		_, before := ask2(t, watch, top, base)
		step.do()
		_, names := ask2(t, watch, top, base)
		for _, name := range step.want {
			if !slices.Contains(names, name) {
				t.Errorf("%s: %q is missing in %q", step.what, name, names)
			}
		}
		if len(step.want) == 0 && len(names) != len(before) {
			t.Errorf("%s: got %q, before %q", step.what, names, before)
		}
	}
}

// writeMapped changes a file without a call to write.
func writeMapped(t *testing.T, path string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	do(t, err)
	memory, err := unix.Mmap(int(file.Fd()), 0, 4, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	do(t, err)
	copy(memory, "next")
	do(t, unix.Munmap(memory), file.Close())
}

func TestEverythingMayHaveChanged(t *testing.T) {
	for what, change := range map[string]func(t *testing.T, top string){
		"a folder is renamed": func(t *testing.T, top string) {
			do(t, os.Rename(filepath.Join(top, "b/c"), filepath.Join(top, "d")))
		},
		"a changed file has another name": func(t *testing.T, top string) {
			do(t, os.Link(filepath.Join(top, "a"), filepath.Join(filepath.Dir(top), "other")))
		},
		"there are too many changes": func(t *testing.T, top string) {
			for number := range maxPlaces + 1 {
				write(t, filepath.Join(top, "many", strconv.Itoa(number)), "")
			}
		},
		"the kernel dropped notes": func(t *testing.T, top string) {
			for number := range 17_000 {
				write(t, filepath.Join(top, "many", strconv.Itoa(number)), "")
			}
		},
		"the file system was unmounted and is there again": func(t *testing.T, top string) {
			do(t, unix.Unmount(filepath.Dir(top), 0))
			write(t, filepath.Join(top, "a"), "")
		},
	} {
		t.Run(what, func(t *testing.T) {
			watch, top := repository(t)
			first, _ := ask2(t, watch, top, base)
			change(t, top)
			next, names := ask2(t, watch, top, first)
			if !slices.Equal(names, []string{everything}) || next == first {
				t.Errorf("got %q with the token %q", names, next)
			}
			for _, old := range []string{first, base} {
				if _, names := ask2(t, watch, top, old); !slices.Equal(names, []string{everything}) {
					t.Errorf("the token %q: got %q", old, names)
				}
			}
			if _, names := ask2(t, watch, top, next); len(names) != 0 {
				t.Errorf("nothing has changed since: %q", names)
			}
		})
	}
}

func TestTheBaseTokenCountsOnlyOnANewDisk(t *testing.T) {
	top := mounted(t)
	watch := new(Watch)
	do(t, watch.Begin(top, false))
	if _, names := ask2(t, watch, top, base); !slices.Equal(names, []string{everything}) {
		t.Errorf("got %q", names)
	}
	do(t, watch.Begin(top, true))
	if _, names := ask2(t, watch, top, base); len(names) != 0 {
		t.Errorf("got %q", names)
	}
	do(t, watch.Forget(top))
	if _, names := ask2(t, watch, top, base); !slices.Equal(names, []string{everything}) {
		t.Errorf("got %q", names)
	}
}

func TestParseReadsAnything(t *testing.T) {
	for _, events := range [][]byte{{1}, bytes.Repeat([]byte{0}, 24), bytes.Repeat([]byte{255}, 100)} {
		if newChanges().parse(events) {
			t.Errorf("%v count as whole", events)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(bytes.Repeat([]byte{3, 0, 0, 0}, 20))
	f.Fuzz(func(_ *testing.T, events []byte) { newChanges().parse(events) })
}

// TestGitPrintsTheSameAsWithoutTheWatch makes random changes and compares what git prints.
func TestGitPrintsTheSameAsWithoutTheWatch(t *testing.T) {
	watch, top := repository(t)
	socket := filepath.Join(t.TempDir(), "socket")
	go func() { _ = watch.Serve(t.Context(), socket, testLog(t)) }()
	program := filepath.Join(t.TempDir(), "changes")
	do(t, os.WriteFile(program, fmt.Appendf(nil, "#!/bin/sh\n%s=%s exec %s \"$@\"\n", askVariable, socket, os.Args[0]), 0o755))
	do(t, os.RemoveAll(filepath.Join(top, ".git")))
	git := func(args ...string) string {
		command := exec.Command("git", append([]string{"-C", top}, args...)...)
		command.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
		out, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("git %s: %v: %s", args, err, out)
		}
		return string(out)
	}
	git("init", "-q")
	git("add", ".")
	git("config", "core.fsmonitor", program)
	git("config", "core.untrackedCache", "true")
	changes := []string{
		"echo x >>b/c/one", "rm -f a", "echo y >a", "mkdir -p n/m && echo z >n/m/f", "mv b d", "mv d b", "git add -A",
		"rm -rf n", "mkdir -p n && echo >n/g", "chmod +x b/three", "ln -s x l", "rm -f l", "git checkout -q -- .",
		"git stash -q -u; git stash pop -q", "echo '*.o' >.gitignore", "touch b/q.o b/q.c", "git reset -q", "git rm -q --cached a",
		"ln b/c/two h", "echo via >>h", "rm -f h", "git clean -qfd",
	}
	git("-c", "user.name=x", "-c", "user.email=x@y", "commit", "-qm", "first")
	random := uint32(1)
	var done []string
	for range 60 {
		random = random*1664525 + 1013904223
		change := changes[int(random>>8)%len(changes)]
		done = append(done, change)
		command := exec.Command("sh", "-c", change)
		command.Dir = top
		command.Env = append(os.Environ(), "GIT_AUTHOR_NAME=x", "GIT_AUTHOR_EMAIL=x", "GIT_COMMITTER_NAME=x", "GIT_COMMITTER_EMAIL=x")
		_ = command.Run()
		got := git("status", "--porcelain")
		want := git("-c", "core.fsmonitor=", "-c", "core.untrackedCache=false", "--no-optional-locks", "status", "--porcelain")
		if got != want {
			t.Fatalf("after %s:\ngot  %q\nwant %q", strings.Join(done, "; "), got, want)
		}
	}
}
