package identity

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Surroundings is what the network around the host asks of programs that go through it.
type Surroundings struct {
	// Environment has variables of every command.
	Environment map[string]string `json:"environment"`
	// IsSecret: only root may read them.
	IsSecret bool `json:"isSecret"`
	// Authorities are trusted besides those of the image.
	Authorities []Authority `json:"authorities"`
}

// Authority is the certificate of one.
type Authority struct {
	PEM string `json:"pem"`
	// SubjectHash is OpenSSL's, in 8 hex digits.
	SubjectHash string `json:"subjectHash"`
}

const (
	environmentFile = "/etc/environment"
	// authorityFolder has the host's certificates and nothing else. update-ca-certificates(8) looks there too,
	// so that they stay trusted when the user adds others.
	authorityFolder = "/usr/local/share/ca-certificates/banger"
	// allAuthorities is the name of the file that has all of them, for programs that take one file more.
	allAuthorities = "all.pem"
	// hashFolder is where OpenSSL looks up one certificate by its subject, and bundle has all of them.
	hashFolder = "/etc/ssl/certs"
	bundle     = hashFolder + "/ca-certificates.crt"
	// maxSameHash is more certificates than have one subject.
	maxSameHash = 64
)

// The lines around what comes from the host, in files that others write too.
const (
	blockBegin = "# Written by banger, at every start: begin\n"
	blockEnd   = "# Written by banger: end\n"
)

func (s Surroundings) check() error {
	for name, value := range s.Environment {
		if name == "" || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			return fmt.Errorf("%q is no name of a variable", name)
		}
		// The value may be a secret.
		if strings.ContainsFunc(value, func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune("\"'#\\", c) }) {
			return fmt.Errorf("the value of %s needs quotes", name)
		}
	}
	for _, authority := range s.Authorities {
		block, rest := pem.Decode([]byte(authority.PEM))
		if block == nil || block.Type != "CERTIFICATE" || len(rest) > 0 || !strings.HasSuffix(authority.PEM, "\n") {
			return errors.New("an authority is not one certificate in PEM")
		}
		if len(authority.SubjectHash) != 8 || strings.Trim(authority.SubjectHash, "0123456789abcdef") != "" {
			return fmt.Errorf("%q is no subject hash", authority.SubjectHash)
		}
	}
	return nil
}

// surroundings tells what could not be written: a guest without it is of use.
func (s System) surroundings(wanted Surroundings) (unwritten []Unwritten) {
	if err := s.environment(wanted); err != nil {
		unwritten = append(unwritten, Unwritten{environmentFile, err.Error()})
	}
	if err := s.authorities(wanted.Authorities); err != nil {
		unwritten = append(unwritten, Unwritten{bundle, err.Error()})
	}
	return unwritten
}

// environment puts the variables first, so that what the user has set in the guest wins.
func (s System) environment(wanted Surroundings) error {
	path := s.Root + environmentFile
	before, err := readSmall(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	own, hadBlock := withoutBlock(before)
	if !hadBlock && len(wanted.Environment) == 0 {
		return nil
	}
	var lines strings.Builder
	for _, name := range slices.Sorted(maps.Keys(wanted.Environment)) {
		lines.WriteString(name + "=" + wanted.Environment[name] + "\n")
	}
	mode := uint32(0o644)
	if wanted.IsSecret {
		mode = 0o600
	}
	return writeFile(path, append(block(lines.String()), own...), mode)
}

// authorities makes exactly these trusted besides the image's and the user's own.
func (s System) authorities(wanted []Authority) error {
	folder := s.Root + authorityFolder
	files, all := filesOf(wanted)
	before, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) && len(wanted) == 0 {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for name, authority := range files {
		if err := s.linkByHash(name, authority.SubjectHash); err != nil {
			return err
		}
	}
	if err := s.setBundle(all); err != nil {
		return err
	}
	for name, authority := range files {
		if err := writeFile(filepath.Join(folder, name), []byte(authority.PEM), 0o644); err != nil {
			return err
		}
	}
	if len(wanted) > 0 {
		if err := writeFile(filepath.Join(folder, allAuthorities), []byte(all), 0o644); err != nil {
			return err
		}
	}
	return s.forgetAuthorities(before, files)
}

// filesOf names each certificate's file by its content.
func filesOf(authorities []Authority) (files map[string]Authority, all string) {
	files = map[string]Authority{}
	for _, authority := range authorities {
		sum := sha256.Sum256([]byte(authority.PEM))
		files["host-"+hex.EncodeToString(sum[:8])+".crt"] = authority
		all += authority.PEM
	}
	return files, all
}

// linkByHash makes a link to the certificate where OpenSSL looks for it: at the first number that is free.
func (s System) linkByHash(name, hash string) error {
	target := authorityFolder + "/" + name
	if err := os.MkdirAll(s.Root+hashFolder, 0o755); err != nil {
		return err
	}
	for number := range maxSameHash {
		link := fmt.Sprintf("%s%s/%s.%d", s.Root, hashFolder, hash, number)
		err := os.Symlink(target, link)
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		if is, err := os.Readlink(link); err == nil && is == target {
			return nil
		}
	}
	return fmt.Errorf("%s has no number free for %s", hashFolder, hash)
}

// setBundle puts the certificates behind all others. Adding them to a file that has none of the host's only
// appends: to replace it would take an emulated guest that was just restored much longer.
func (s System) setBundle(all string) error {
	path := s.Root + bundle
	before, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	own, hadBlock := withoutBlock(before)
	after := append(own, block(all)...)
	if bytes.Equal(before, after) {
		return nil
	}
	if hadBlock || len(before) == 0 || !bytes.HasSuffix(before, []byte("\n")) {
		return writeFile(path, after, 0o644)
	}
	return appendTo(path, block(all))
}

// forgetAuthorities removes what is there of certificates that the host has no longer. The files go last:
// they say which there were.
func (s System) forgetAuthorities(before []fs.DirEntry, wanted map[string]Authority) error {
	gone := map[string]bool{}
	for _, entry := range before {
		_, isWanted := wanted[entry.Name()]
		if !isWanted && (entry.Name() != allAuthorities || len(wanted) == 0) {
			gone[authorityFolder+"/"+entry.Name()] = true
		}
	}
	if len(gone) == 0 {
		return nil
	}
	links, err := os.ReadDir(s.Root + hashFolder)
	if err != nil {
		return err
	}
	for _, link := range links {
		path := s.Root + hashFolder + "/" + link.Name()
		if target, err := os.Readlink(path); err == nil && gone[target] {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	for path := range gone {
		if err := os.RemoveAll(s.Root + path); err != nil {
			return err
		}
	}
	return nil
}

// block is the text between the lines that mark it; nothing for nothing.
func block(text string) []byte {
	if text == "" {
		return nil
	}
	return []byte(blockBegin + text + blockEnd)
}

// withoutBlock gives what others have written into a file. A block without its end has only its first line.
func withoutBlock(content []byte) (own []byte, had bool) {
	head, rest, found := bytes.Cut(content, []byte(blockBegin))
	if !found || len(head) > 0 && head[len(head)-1] != '\n' {
		return slices.Clone(content), false
	}
	if _, tail, isWhole := bytes.Cut(rest, []byte(blockEnd)); isWhole {
		rest = tail
	}
	return slices.Concat(head, rest), true
}
