package machines

import (
	"bytes"
	"sync"
)

// console is what a machine wrote on its console.
type console struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// maxConsole is how much of it is kept, in bytes.
const maxConsole = 1 << 20

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text.Write(p[:min(len(p), maxConsole-c.text.Len())])
	return len(p), nil
}

func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}
