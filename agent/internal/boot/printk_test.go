package boot

import (
	"os"
	"path/filepath"
	"testing"
)

func TestShowErrorsRaisesTheConsoleLevelButNeverLowersIt(t *testing.T) {
	for before, want := range map[string]string{
		"3\t4\t1\t7\n": "4",
		"1\t4\t1\t7\n": "4",
		"4\t4\t1\t7\n": "4\t4\t1\t7\n",
		"7\t4\t1\t7\n": "7\t4\t1\t7\n",
	} {
		printk := filepath.Join(t.TempDir(), "printk")
		if err := os.WriteFile(printk, []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := showErrors(printk); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(printk); err != nil || string(got) != want {
			t.Errorf("%q became %q, want %q, error %v", before, got, want, err)
		}
	}
}
