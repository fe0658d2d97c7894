package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"vipd/seal"
	"vipd/vipd/config"
	"vipd/vipd/control"
)

// keyChange holds the flags of the verbs that change the key file of this node.
type keyChange struct {
	asker
	config string
	force  bool
}

// keyResult is the JSON of these verbs.
type keyResult struct {
	Text   string   `json:"text"`
	Keys   []string `json:"keys"`  // ids of this node's keys, the active one first
	Taken  bool     `json:"taken"` // by the running daemon; false: none runs
	Lacks  []string `json:"lacks"` // what is still to be done before the next step
	DryRun bool     `json:"dry_run"`
}

// keyStep is one step of a change of keys.
type keyStep struct {
	text  string                               // what was done
	keys  []seal.Key                           // of the file from now on; nil: it is right already
	old   bool                                 // the second of them is the old one
	unfit func(peer control.NodeStatus) string // why another node is not ready for the step, "" if it is
	next  func(peer control.NodeStatus) string // what it lacks for the one after
}

func stageCommand() *cobra.Command {
	var c keyChange
	cmd := &cobra.Command{
		Use:   "stage FILE",
		Short: "Teach this node a new key beside the one in use",
		Long: `Adds the key in FILE, - for standard input, to the key file of this node, and
has the running daemon take it over: it opens with the new key too, and seals
with the old one. Run it with the same key on every node; then 'vipd key
activate'.`,
		Example: `  vipd key stage /etc/vipd/key.new
  ssh hist-a cat /etc/vipd/key.new | vipd key stage -`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return misuse(cmd, "name the file with the new key, or - for standard input")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			key, err := newKey(cmd.InOrStdin(), args[0])
			if err != nil {
				return err
			}
			return c.run(cmd, func(f *keyFile) (keyStep, error) { return stage(f, key) })
		},
	}
	c.flags(cmd)
	return cmd
}

func activateCommand() *cobra.Command {
	var c keyChange
	cmd := &cobra.Command{
		Use:   "activate",
		Short: "Have this node seal with the staged key",
		Long: `Makes the staged key the active one in the key file of this node, and has the
running daemon take it over: it seals with the new key, and still opens with the
old one. It is refused (exit code 107) while another node does not know the new
key, or is not heard, unless --force is given. Run it on every node; then 'vipd
key retire'.`,
		Example: `  vipd key activate`,
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.run(cmd, activate) },
	}
	c.flags(cmd)
	return cmd
}

func retireCommand() *cobra.Command {
	var c keyChange
	cmd := &cobra.Command{
		Use:   "retire",
		Short: "Have this node forget the old key",
		Long: `Takes the old key out of the key file of this node, or a staged one that is not
to be used after all, and has the running daemon take that over. It is refused
(exit code 107) while another node seals with that key, or is not heard, unless
--force is given.`,
		Example: `  vipd key retire`,
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.run(cmd, retire) },
	}
	c.flags(cmd)
	return cmd
}

func (c *keyChange) flags(cmd *cobra.Command) {
	c.asker.flags(cmd)
	cmd.Flags().StringVar(&c.config, "config", defaultConfig, "configuration `FILE`, which names the key file")
	cmd.Flags().BoolVar(&c.force, "force", false, "although another node is not ready: it is not heard from then on")
	cmd.Flags().BoolVar(&c.dryRun, "dry-run", false, "change nothing; say what would happen")
}

// newKey reads the key that is to be staged.
func newKey(in io.Reader, path string) (seal.Key, error) {
	if path != "-" {
		keys, err := seal.ReadKeyFile(path)
		if err == nil && len(keys) > 1 {
			err = fmt.Errorf("key file %s: holds %d keys, want one", path, len(keys))
		}
		if err != nil {
			return seal.Key{}, err
		}
		return keys[0], nil
	}
	text, err := io.ReadAll(io.LimitReader(in, 4096))
	if err != nil {
		return seal.Key{}, fmt.Errorf("read the key: %w", err)
	}
	key, err := seal.ParseKey(text)
	if err != nil {
		return seal.Key{}, fmt.Errorf("standard input: %w", err)
	}
	return key, nil
}

// stage adds a key behind the active one.
func stage(f *keyFile, key seal.Key) (keyStep, error) {
	id := key.ID()
	step := keyStep{
		text:  fmt.Sprintf("key %v is staged: this node opens with it, and seals with %v", id, f.keys[0].ID()),
		unfit: func(control.NodeStatus) string { return "" },
		next: func(peer control.NodeStatus) string {
			return lacks(!slices.Contains(peer.Keys, id.String()), "%s does not know key %v: run 'vipd key stage FILE' there", peer.Name, id)
		},
	}
	second, two := f.second()
	switch {
	case f.keys[0] == key:
		return step, fmt.Errorf("key %v is the active one already", id)
	case two && second == key && !f.old:
		return step, nil
	case two && second == key:
		return step, fmt.Errorf("key %v is the old one; the change from it is not complete: run 'vipd key retire'", id)
	case two:
		return step, fmt.Errorf("this node has two keys already, %v and %v; complete that change first: 'vipd key activate' or 'vipd key retire'", f.keys[0].ID(), second.ID())
	}
	step.keys = []seal.Key{f.keys[0], key}
	return step, nil
}

// activate changes the places of the two keys.
func activate(f *keyFile) (keyStep, error) {
	second, two := f.second()
	if !two {
		return keyStep{}, fmt.Errorf("no key is staged: this node has %v alone; run 'vipd key stage FILE' first", f.keys[0].ID())
	}
	active, old := second, f.keys[0]
	if f.old {
		active, old = old, active
	}
	id := active.ID().String()
	step := keyStep{
		text: fmt.Sprintf("key %s is active: this node seals with it, and still opens with %v", id, old.ID()),
		old:  true,
		unfit: func(peer control.NodeStatus) string {
			return lacks(!slices.Contains(peer.Keys, id), "%s does not know key %s: run 'vipd key stage FILE' there first", peer.Name, id)
		},
		next: func(peer control.NodeStatus) string {
			return lacks(len(peer.Keys) == 0 || peer.Keys[0] != id, "%s does not seal with key %s yet: run 'vipd key activate' there", peer.Name, id)
		},
	}
	if !f.old {
		step.keys = []seal.Key{active, old}
	}
	return step, nil
}

// retire takes the second key away.
func retire(f *keyFile) (keyStep, error) {
	second, two := f.second()
	if !two {
		return keyStep{text: fmt.Sprintf("nothing to retire: this node has key %v alone", f.keys[0].ID()), unfit: never, next: never}, nil
	}
	id := second.ID().String()
	step := keyStep{
		text: fmt.Sprintf("key %s is retired: this node has %v alone", id, f.keys[0].ID()),
		keys: f.keys[:1],
		unfit: func(peer control.NodeStatus) string {
			return lacks(len(peer.Keys) == 0 || peer.Keys[0] == id, "%s still seals with key %s: run 'vipd key activate' there first", peer.Name, id)
		},
		next: func(peer control.NodeStatus) string {
			return lacks(slices.Contains(peer.Keys, id), "%s still opens with key %s: run 'vipd key retire' there", peer.Name, id)
		},
	}
	return step, nil
}

func never(control.NodeStatus) string { return "" }

func lacks(it bool, format string, args ...any) string {
	if !it {
		return ""
	}
	return fmt.Sprintf(format, args...)
}

// run does one step on the key file that the configuration names.
func (c *keyChange) run(cmd *cobra.Command, decide func(*keyFile) (keyStep, error)) error {
	ctx, stop := interruptible(cmd)
	defer stop()
	settings, err := config.Load(c.config)
	if err != nil {
		return explainRun(cmd.ErrOrStderr(), err)
	}
	f, err := openKeyFile(settings.KeyFile)
	if err != nil {
		return err
	}
	defer f.close()
	step, err := decide(f)
	if err != nil {
		return err
	}
	r, err := c.apply(ctx, f, step)
	if err != nil {
		return c.explain(err)
	}
	if c.json {
		return printJSON(cmd.OutOrStdout(), r)
	}
	return r.print(cmd.OutOrStdout())
}

// apply checks that the other nodes are ready, writes the file, and has the daemon
// take it over. A file that the daemon refuses is put back.
func (c *keyChange) apply(ctx context.Context, f *keyFile, step keyStep) (keyResult, error) {
	r := keyResult{Text: step.text, DryRun: c.dryRun, Lacks: []string{}}
	peers, running, err := c.peers(ctx)
	if err != nil {
		return r, err
	}
	if step.keys != nil && !c.force {
		if err := ready(step, peers, running); err != nil {
			return r, err
		}
	}
	if step.keys == nil {
		step.keys = f.keys
	} else if !c.dryRun {
		if err := f.replace(keysText(step.keys, step.old)); err != nil {
			return r, err
		}
	}
	if r.Taken = running && !c.dryRun; r.Taken {
		if _, err := c.client().Reload(ctx, control.ReloadRequest{KeysOnly: true, Force: c.force}); err != nil {
			return r, errors.Join(err, f.replace(f.text))
		}
	}
	for _, key := range step.keys {
		r.Keys = append(r.Keys, key.ID().String())
	}
	for _, peer := range peers {
		if text := step.next(peer); text != "" {
			r.Lacks = append(r.Lacks, text)
		}
	}
	return r, nil
}

// peers are the other nodes as the running daemon knows them.
func (c *keyChange) peers(ctx context.Context) (list []control.NodeStatus, running bool, err error) {
	s, err := c.client().Status(ctx)
	switch {
	case errors.Is(err, control.ErrNotRunning):
		return nil, false, nil
	case err != nil:
		return nil, false, err
	}
	for _, n := range s.Nodes {
		if !n.Self {
			list = append(list, n)
		}
	}
	return list, true, nil
}

// ready refuses a step that another node is not ready for, as far as is known.
func ready(step keyStep, peers []control.NodeStatus, running bool) error {
	var why []string
	for _, peer := range peers {
		text := step.unfit(peer)
		switch {
		case text == "":
		case peer.State == control.NodeSilent || peer.State == control.NodeUnknown || len(peer.Keys) == 0:
			why = append(why, fmt.Sprintf("%s is not heard, so its keys are not known", peer.Name))
		default:
			why = append(why, text)
		}
	}
	if !running && step.unfit(control.NodeStatus{}) != "" {
		why = append(why, "vipd does not run here, so the keys of the other nodes are not known")
	}
	if why == nil {
		return nil
	}
	return control.Errorf(control.CodeUnsafe, "%s; --force does it nevertheless", strings.Join(why, "; "))
}

// print says what was done, and what is left to do.
func (r keyResult) print(w io.Writer) (err error) {
	switch {
	case r.DryRun:
		_, err = fmt.Fprintf(w, "dry run: %s\n", r.Text)
	case r.Taken:
		_, err = fmt.Fprintln(w, r.Text)
	default:
		_, err = fmt.Fprintf(w, "%s, from its next start on: it does not run now\n", r.Text)
	}
	for _, text := range r.Lacks {
		fmt.Fprintln(w, "still to do: "+printable(text))
	}
	return err
}
