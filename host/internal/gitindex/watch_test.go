package gitindex

import (
	"bytes"
	"crypto/sha1"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// onDisk is a working tree of this machine.
type onDisk struct{ top string }

func (d onDisk) Look(name string) (Found, error) {
	var stat syscall.Stat_t
	if err := syscall.Lstat(filepath.Join(d.top, name), &stat); err != nil || stat.Mode&modeType == modeFolder {
		return Found{}, fs.ErrNotExist
	}
	return Found{stat.Mode, uint64(stat.Size), stat.Mtim.Sec}, nil
}

func (d onDisk) Names(folder string) map[string]uint32 {
	entries, err := os.ReadDir(filepath.Join(d.top, folder))
	if err != nil {
		return nil
	}
	names := map[string]uint32{}
	for _, entry := range entries {
		names[entry.Name()] = modeFile
		if entry.IsDir() {
			names[entry.Name()] = modeFolder
		}
	}
	return names
}

func (d onDisk) Content(name string) []byte {
	content, err := os.ReadFile(filepath.Join(d.top, name))
	if err != nil {
		return nil
	}
	return content
}

type repository struct {
	*testing.T
	top string
}

// git runs git without settings of this machine.
func (r repository) git(args ...string) string {
	r.Helper()
	command := exec.Command("git", append([]string{"-C", r.top, "-c", "core.checkstat=minimal", "-c", "core.trustctime=false"}, args...)...)
	command.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "HOME="+r.TempDir(), "XDG_CONFIG_HOME="+r.TempDir())
	out, err := command.CombinedOutput()
	if err != nil {
		r.Fatalf("git %s: %v: %s", args, err, out)
	}
	return string(out)
}

func (r repository) write(name, content string) {
	r.Helper()
	path := filepath.Join(r.top, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		r.Fatal(err)
	}
	r.age(name)
}

// age makes a file older than the index.
func (r repository) age(name string) {
	r.Helper()
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(r.top, name), old, old); err != nil {
		r.Fatal(err)
	}
}

// committed is a repository with some files in folders.
func committed(t *testing.T, initArgs ...string) repository {
	t.Helper()
	r := repository{t, t.TempDir()}
	r.git(append([]string{"init", "-q"}, initArgs...)...)
	for _, name := range []string{"a", "b/c/one", "b/c/two", "b/three", "d/four"} {
		r.write(name, "content of "+name)
	}
	r.write(".gitignore", "*.o\n")
	r.write("b/.gitignore", "ignored\n")
	r.write("d/.gitignore", "")
	if err := os.Symlink("a", filepath.Join(r.top, "link")); err != nil {
		t.Fatal(err)
	}
	r.git("add", "--all")
	r.git("-c", "user.name=x", "-c", "user.email=x@localhost", "commit", "-qm", "first")
	return r
}

// prepare does what the writer of a disk does.
func (r repository) prepare() {
	r.Helper()
	file := filepath.Join(r.top, IndexFile)
	content, err := os.ReadFile(file)
	if err != nil {
		r.Fatal(err)
	}
	// The link cannot be made older.
	prepared, err := Watch(content, onDisk{r.top}, r.top, time.Now().Add(time.Hour))
	if err != nil {
		r.Fatal(err)
	}
	if bytes.Equal(prepared, content) {
		r.Fatal("the index was not prepared")
	}
	if err := os.WriteFile(file, prepared, 0o644); err != nil {
		r.Fatal(err)
	}
}

// look runs git status with a program that names the changed files. It returns what git prints, and how many
// files and folders git has looked at.
func (r repository) look(changed ...string) (status string, files, folders string) {
	r.Helper()
	monitor := `printf 'token\0` + strings.Join(append(changed, ""), `\0`) + `'; :`
	trace := filepath.Join(r.TempDir(), "trace")
	r.Setenv("GIT_TRACE2_PERF", trace)
	status = r.git("-c", "core.fsmonitor="+monitor, "status", "--porcelain")
	os.Unsetenv("GIT_TRACE2_PERF")
	text, err := os.ReadFile(trace)
	if err != nil {
		r.Fatal(err)
	}
	number := func(of string) string {
		found := regexp.MustCompile(of + `:(\d+)`).FindStringSubmatch(string(text))
		if found == nil {
			return "none"
		}
		return found[1]
	}
	return status, number("refresh/sum_lstat"), number("opendir")
}

func TestGitLooksAtNothingInAPreparedTree(t *testing.T) {
	for name, make := range map[string]func(t *testing.T) repository{
		"version 2": func(t *testing.T) repository { return committed(t) },
		"version 4": func(t *testing.T) repository {
			r := committed(t)
			r.git("update-index", "--index-version", "4")
			return r
		},
		"SHA-256": func(t *testing.T) repository { return committed(t, "--object-format=sha256") },
		"patterns outside of the tree": func(t *testing.T) repository {
			r := committed(t)
			r.write(ExcludeFile, "*.log\n")
			return r
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := make(t)
			r.prepare()
			status, files, folders := r.look()
			if status != "" || files != "0" || folders != "0" {
				t.Errorf("git printed %q and looked at %s files and %s folders", status, files, folders)
			}
			r.git("fsck")
		})
	}
}

func TestGitSeesWhatDiffersFromTheIndexWhenTheDiskIsWritten(t *testing.T) {
	r := committed(t)
	r.write("b/c/one", "something longer than before")
	r.write("d/new", "untracked")
	r.write("d/ignored.o", "ignored")
	r.write("b/ignored", "ignored")
	r.write("e/f/new", "untracked")
	r.write("b/c/.gitignore", "two\n")
	if err := os.Remove(filepath.Join(r.top, "a")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(r.top, "b/three"), 0o755); err != nil {
		t.Fatal(err)
	}
	want := r.git("status", "--porcelain")
	r.prepare()
	if status, _, _ := r.look(); status != want {
		t.Errorf("got %q, want %q", status, want)
	}
}

func TestGitSeesWhatChangesLater(t *testing.T) {
	r := committed(t)
	r.prepare()
	r.write("b/c/one", "something longer than before")
	r.write("b/c/new", "untracked")
	r.write("new/folder/file", "untracked")
	if err := os.Remove(filepath.Join(r.top, "d/four")); err != nil {
		t.Fatal(err)
	}
	r.write(".gitignore", "*.o\nnew\n")
	status, _, _ := r.look("b/c/one", "b/c/new", "new", "new/folder", "new/folder/file", "d/four", ".gitignore")
	want := " M .gitignore\n M b/c/one\n D d/four\n"
	if status != want {
		t.Errorf("got %q, want %q", status, want)
	}
	if all := r.git("-c", "core.fsmonitor=", "-c", "core.untrackedCache=false", "status", "--porcelain"); all != want {
		t.Errorf("without the extensions: %q", all)
	}
}

func TestAFileAsNewAsTheIndexIsLookedAt(t *testing.T) {
	r := committed(t)
	content, err := os.ReadFile(filepath.Join(r.top, IndexFile))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := parse(content)
	if err != nil {
		t.Fatal(err)
	}
	newest := time.Unix(int64(parsed.entries[0].seconds), 0)
	for written, want := range map[time.Time]bool{newest: false, newest.Add(time.Second): true} {
		unchanged, err := parsed.unchanged(onDisk{r.top}, written)
		if err != nil || unchanged[0] != want {
			t.Errorf("%v, %v", unchanged, err)
		}
	}
}

func TestOtherIndexesStayAsTheyAre(t *testing.T) {
	r := committed(t)
	content, err := os.ReadFile(filepath.Join(r.top, IndexFile))
	if err != nil {
		t.Fatal(err)
	}
	cut := content[:len(content)-30]
	wrong := bytes.Clone(content)
	wrong[100] ^= 1
	for name, other := range map[string][]byte{"empty": nil, "text": []byte("not an index"), "cut": cut, "wrong sum": wrong} {
		got, err := Watch(other, onDisk{r.top}, r.top, time.Now())
		if err != nil || !bytes.Equal(got, other) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r.git("update-index", "--split-index")
	split, err := os.ReadFile(filepath.Join(r.top, IndexFile))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Watch(split, onDisk{r.top}, r.top, time.Now()); err != nil || !bytes.Equal(got, split) {
		t.Errorf("split: %v", err)
	}
}

// FuzzWatch reads any bytes as an index, with a right checksum.
func FuzzWatch(f *testing.F) {
	f.Add([]byte("DIRC\x00\x00\x00\x02\x00\x00\x00\x00"))
	f.Add([]byte("DIRC\x00\x00\x00\x04\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, body []byte) {
		sum := sha1.Sum(body)
		if _, err := Watch(append(bytes.Clone(body), sum[:]...), onDisk{t.TempDir()}, "/root/repo", time.Now()); err != nil {
			t.Fatal(err)
		}
	})
}
