package gitdelta

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ErrNotSimple is the error for a delta that the script applies.
var ErrNotSimple = errors.New("the script applies this delta")

const (
	modeFile = "100644"
	modeRun  = "100755"
)

// entry is a file in a tree of git.
type entry struct{ mode, object string }

// delta is one that needs neither git nor a decision.
type delta struct {
	top, incoming, meta string
	// old and new are the changed paths before and after.
	old, new map[string]entry
	deleted  []string
	// packs are names of new objects in meta, in the order in which git may see them.
	packs []string
	// sent is the commit that the guest was sent.
	sent string
}

// isObject reports whether text is the name of an object.
func isObject(text string) bool {
	return (len(text) == 40 || len(text) == 64) && strings.Trim(text, "0123456789abcdef") == ""
}

func isPack(name string) bool {
	ending := filepath.Ext(name)
	of, isNamed := strings.CutPrefix(strings.TrimSuffix(name, ending), "pack-")
	return isNamed && isObject(of) && (ending == ".pack" || ending == ".idx")
}

// read reads the delta that was sent to a working tree.
func read(top string) (*delta, error) {
	state := filepath.Join(top, ".git/banger")
	d := &delta{top: top, incoming: filepath.Join(state, "incoming"), meta: filepath.Join(state, "meta")}
	from := filepath.Join(d.incoming, ".git")
	if _, err := os.Lstat(from); errors.Is(err, fs.ErrNotExist) {
		from = d.meta
	}
	names, err := os.ReadDir(from)
	if err != nil {
		return nil, err
	}
	content := map[string]string{}
	for _, name := range names {
		switch name.Name() {
		case "apply.sh", "structure.sh", "folders":
		case "old", "new", "deleted", "refs", "filtered", "git-deleted":
			bytes, err := os.ReadFile(filepath.Join(from, name.Name()))
			if err != nil {
				return nil, err
			}
			content[name.Name()] = string(bytes)
		default:
			if !isPack(name.Name()) {
				return nil, ErrNotSimple
			}
			d.packs = append(d.packs, name.Name())
		}
	}
	line, isSent := strings.CutPrefix(content["refs"], "update refs/banger/sent ")
	commit, isLine := strings.CutSuffix(line, "\n")
	if !isSent || !isLine || !isObject(commit) || content["filtered"] != "" || content["git-deleted"] != "" {
		return nil, ErrNotSimple
	}
	d.sent = commit
	// The objects come before the index that says where they are.
	for at, name := range d.packs {
		if strings.HasSuffix(name, ".idx") {
			d.packs = append(append(d.packs[:at:at], d.packs[at+1:]...), name)
			break
		}
	}
	if d.old, err = parseEntries(content["old"]); err != nil {
		return nil, err
	}
	if d.new, err = parseEntries(content["new"]); err != nil {
		return nil, err
	}
	d.deleted = split(content["deleted"])
	return d, nil
}

// parseEntries reads entries, each ended by 0. Links are not simple.
func parseEntries(text string) (map[string]entry, error) {
	entries := map[string]entry{}
	for _, line := range split(text) {
		about, path, _ := strings.Cut(line, "\t")
		mode, object, _ := strings.Cut(about, " ")
		isFile := (mode == modeFile || mode == modeRun) && isObject(object)
		if !isFile || !filepath.IsLocal(path) || strings.HasPrefix(path+"/", ".git/") {
			return nil, ErrNotSimple
		}
		entries[path] = entry{mode, object}
	}
	return entries, nil
}

func split(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\x00"), "\x00")
}
