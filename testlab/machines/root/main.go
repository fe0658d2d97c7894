// Command root makes the disk that the machines of the tests boot from, once; the next
// time it finds it there. It needs root, mmdebstrap and a Debian mirror.
//
//	go run ./testlab/machines/root [--out DIR] [--mirror URL]
//
// It prints the directory with the disk's files. Beside it is the archive they come
// from: put it back into the folder, and nothing needs to be downloaded.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"

	"vipd/testlab/machines/image"
)

// limit is how long a slow mirror may take.
const limit = 20 * time.Minute

func main() {
	folder, err := image.Folder()
	out := flag.String("out", folder, "`DIR` where it is kept")
	mirror := flag.String("mirror", image.Mirror, "Debian mirror, a `URL`")
	flag.Parse()
	if err == nil || *out != "" {
		err = makeIn(*out, *mirror)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func makeIn(folder, mirror string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	root, err := image.Make(ctx, folder, mirror, os.Stderr)
	if err == nil {
		fmt.Println(root)
	}
	return err
}
