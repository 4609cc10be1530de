package process

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func root(t *testing.T, passwd, group string) Accounts {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"passwd": passwd, "group": group} {
		if content == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, "etc", name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return Accounts{Root: dir}
}

const passwd = `root:x:0:0:root:/root:/bin/bash
broken:x
1001:x:1000:1000::/home/numbered:/bin/sh
dev:x:1001:1001:A Developer:/home/anna:
huge:x:99999999999:1::/:/bin/sh`

const group = `root:x:0:
docker:x:998:dev,other
dev:x:1001:dev
broken:x:no:dev
sudo:x:27:other`

func TestLookupReadsPasswdAndGroup(t *testing.T) {
	accounts := root(t, passwd, group)
	for who, want := range map[string]Account{
		"root": {"root", 0, 0, "/root", "/bin/bash", []uint32{0}},
		"dev":  {"dev", 1001, 1001, "/home/anna", "/bin/sh", []uint32{1001, 998}},
		// A name wins over a number.
		"1001": {"1001", 1000, 1000, "/home/numbered", "/bin/sh", []uint32{1000}},
		"0":    {"root", 0, 0, "/root", "/bin/bash", []uint32{0}},
		"4242": {"4242", 4242, 4242, "/", "/bin/sh", []uint32{4242}},
		// A group of its own choice is the only one.
		"dev:sudo":  {"dev", 1001, 27, "/home/anna", "/bin/sh", []uint32{27}},
		"dev:7":     {"dev", 1001, 7, "/home/anna", "/bin/sh", []uint32{7}},
		"4242:4243": {"4242", 4242, 4243, "/", "/bin/sh", []uint32{4243}},
	} {
		got, err := accounts.Lookup(who)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, error %v, want %+v", who, got, err, want)
		}
	}
	for _, who := range []string{"nobody-here", "broken", "huge", "-1", "99999999999", "dev:no-such-group", "dev:-1", "dev:", "nobody-here:dev"} {
		if got, err := accounts.Lookup(who); err == nil {
			t.Errorf("%s: got %+v", who, got)
		}
	}
}

func TestRootExistsWithoutFiles(t *testing.T) {
	got, err := root(t, "", "").Lookup("root")
	want := Account{"root", 0, 0, "/root", "/bin/sh", []uint32{0}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, error %v", got, err)
	}
}

func TestEnvironmentPutsLaterSourcesOverEarlierOnes(t *testing.T) {
	file := "PATH=\"/opt/bin:/bin\"\n# A=1\nexport B='two words' # more\nC=3 # comment\n\nbroken\n=x\nLANG=de_DE.UTF-8"
	got := environment(Account{Name: "dev", Home: "/home/anna", Shell: "/bin/zsh"}, []byte(file),
		[]byte("C=image=3\x00I=two\nlines\x00LANG=image\x00broken\x00=x\x00"), map[string]string{"LANG": "C", "NEW": "\xff"}, "vt100")
	want := map[string]string{
		"HOME": "/home/anna", "USER": "dev", "LOGNAME": "dev", "SHELL": "/bin/zsh", "PATH": "/opt/bin:/bin",
		"LANG": "C", "B": "two words", "C": "image=3", "I": "two\nlines", "TERM": "vt100", "NEW": "\xff",
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
}

func TestAnAccountsOwnProgramsAreFirstInPathAndThoseOfMiseBeforeThem(t *testing.T) {
	for _, home := range []string{"", "/"} {
		if got := withOwnPrograms("/bin", Account{Home: home}); got != "/bin" {
			t.Fatalf("home %q: got %q", home, got)
		}
	}
	account := Account{Home: t.TempDir()}
	own := account.Home + "/.local/bin:/bin"
	if got := withOwnPrograms("/bin", account); got != own {
		t.Fatalf("without mise: got %q", got)
	}
	folder := account.Home + "/.local/share/mise/shims"
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if got, want := withOwnPrograms("/bin", account), folder+":"+own; got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
}
