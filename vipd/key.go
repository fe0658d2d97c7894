package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"vipd/seal"
)

func keyCommand() *cobra.Command {
	key := &cobra.Command{
		Use:   "key VERB",
		Short: "Make the key that the nodes of a cluster share, or change it",
		Long: `Makes the key that the nodes of a cluster share, and changes it while they run.
A change has three steps, each on every node before the next one begins:

  stage     every node learns the new key beside the one in use
  activate  every node seals with the new key, and still opens with the old one
  retire    every node forgets the old key

Each step is refused while another node is not ready for it, and says what is
still to be done. 'vipd status' shows the keys of every node by their ids.`,
		Example: `  vipd key generate --out /etc/vipd/key.new    on one node; copy it to the others
  vipd key stage /etc/vipd/key.new             on each
  vipd key activate                            on each
  vipd key retire                              on each; then remove key.new`,
	}
	needsVerb(key)
	key.AddCommand(generateCommand(), stageCommand(), activateCommand(), retireCommand())
	return key
}

// generated is the JSON of `vipd key generate`.
type generated struct {
	ID   string `json:"id"`             // names the key, gives nothing of it away
	File string `json:"file,omitempty"` // where it was written
	Key  string `json:"key,omitempty"`  // the key itself, when no file was named
}

func generateCommand() *cobra.Command {
	var out string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "generate [--out FILE]",
		Short: "Make a new cluster key",
		Long: `Makes a new random key for a cluster. With --out it is written to a file that
only its owner may read; an existing file is never overwritten. Without --out
it goes to standard output. Every node of a cluster needs the same key.`,
		Example: `  vipd key generate --out /etc/vipd/key
  vipd key generate | ssh hist-b 'umask 077; cat > /etc/vipd/key'`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			k := seal.NewKey()
			g := generated{ID: k.ID().String(), File: out}
			if cmd.Flags().Changed("out") {
				if err := writeKey(out, k.Text()); err != nil {
					return err
				}
			} else {
				g.Key = string(k.Text()[:2*len(k)])
			}
			return g.print(cmd, asJSON)
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "`FILE` to write, mode 0600")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (g generated) print(cmd *cobra.Command, asJSON bool) (err error) {
	w := cmd.OutOrStdout()
	switch {
	case asJSON:
		err = printJSON(w, g)
	case g.File == "":
		_, err = fmt.Fprintln(w, g.Key)
	default:
		_, err = fmt.Fprintf(w, "key %s written to %s; give every node of the cluster the same file\n", g.ID, g.File)
	}
	return err
}

// writeKey writes a new file, durably, or leaves none.
func writeKey(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists and is not overwritten: a key in use can't be had back", path)
	}
	if err != nil {
		return fmt.Errorf("make the key file: %w", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		os.Remove(path)
		return fmt.Errorf("write the key file: %w", err)
	}
	return nil
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
