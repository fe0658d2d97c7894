// Package image makes the disk that the machines of package machines boot from: a small
// Debian with systemd and the three services that a pair of hosts is there for.
//
// It knows the recipe, where the result is kept, and when it has to be made anew: the
// recipe's digest is part of the names. It never boots anything, and what it made is
// only read after.
//
//	mmdebstrap ──► root-1a2b3c4d.tar ──► root-1a2b3c4d/     read by every machine
//	 (minutes)      (what to cache)       (the same files)   of every run, never written
//
// The folder also has an empty directory disks, on which a test mounts its machines'
// own disks, in its own mount namespace.
package image
