package gitdelta

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
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

var (
	packName = regexp.MustCompile(`^pack-[0-9a-f]{40,64}\.(pack|idx)$`)
	sentLine = regexp.MustCompile(`^update refs/banger/sent ([0-9a-f]{40}|[0-9a-f]{64})\n$`)
	entryOf  = regexp.MustCompile(`(?s)^(100644|100755) ([0-9a-f]{40}|[0-9a-f]{64})\t(.+)$`)
)

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
			if !packName.MatchString(name.Name()) {
				return nil, ErrNotSimple
			}
			d.packs = append(d.packs, name.Name())
		}
	}
	line := sentLine.FindStringSubmatch(content["refs"])
	if line == nil || content["filtered"] != "" || content["git-deleted"] != "" {
		return nil, ErrNotSimple
	}
	d.sent = line[1]
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
		parts := entryOf.FindStringSubmatch(line)
		if parts == nil || !filepath.IsLocal(parts[3]) || parts[3] == ".git" || strings.HasPrefix(parts[3], ".git/") {
			return nil, ErrNotSimple
		}
		entries[parts[3]] = entry{parts[1], parts[2]}
	}
	return entries, nil
}

func split(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\x00"), "\x00")
}
