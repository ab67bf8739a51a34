// FerretDB, which speaks MongoDB's protocol, over SQLite in a folder: ferretdb <address> <folder>
//
// FerretDB 1 finds a document and then writes it, with nothing to keep out another write between the two. MongoDB changes
// a document at once. So that it does here, one write at a time is passed on to it. MongoDB has no such queue, so that what
// waits in it leaves it when its client has gone, and is in nobody's way.
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/FerretDB/FerretDB/ferretdb"
)

var writes = map[string]bool{
	"insert": true, "update": true, "delete": true, "findAndModify": true, "createIndexes": true,
}

// Holds what the one write puts in until it is done.
var oneWrite = make(chan struct{}, 1)

func main() {
	socket := filepath.Join(os.Args[2], "socket")
	_ = os.Remove(socket)
	server, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{Unix: socket},
		Handler:   "sqlite",
		SQLiteURL: "file:" + os.Args[2] + "/",
	})
	if err != nil {
		log.Fatal(err)
	}
	go func() { log.Fatal(server.Run(context.Background())) }()
	for {
		if probe, err := net.Dial("unix", socket); err == nil {
			_ = probe.Close()
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	for {
		client, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go pass(client, socket)
	}
}

// Passes on each message and its answer, until one side closes.
func pass(client net.Conn, socket string) {
	defer client.Close()
	server, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	defer server.Close()
	requests, gone := make(chan []byte), make(chan struct{})
	go read(client, requests, gone)
	for request := range requests {
		answer, err := ask(server, request, gone)
		if err != nil {
			break
		}
		if _, err := client.Write(answer); err != nil {
			break
		}
	}
	// ends who reads
	_ = client.Close()
	for range requests {
	}
}

// Reads ahead, so that it is seen when the client goes.
func read(client net.Conn, requests chan<- []byte, gone chan<- struct{}) {
	defer close(requests)
	defer close(gone)
	for {
		request, err := receive(client)
		if err != nil {
			return
		}
		requests <- request
	}
}

func ask(server net.Conn, request []byte, gone <-chan struct{}) ([]byte, error) {
	if writes[command(request)] {
		if !hasTurn(gone) {
			return nil, io.EOF
		}
		defer func() { <-oneWrite }()
	}
	if _, err := server.Write(request); err != nil {
		return nil, err
	}
	return receive(server)
}

// Waits until nobody else writes, and says whether the client is still there; one that is served at once need not be.
func hasTurn(gone <-chan struct{}) bool {
	select {
	case oneWrite <- struct{}{}:
		return true
	default:
	}
	select {
	case oneWrite <- struct{}{}:
		return true
	case <-gone:
		return false
	}
}

func receive(from io.Reader) ([]byte, error) {
	header := make([]byte, 16)
	if _, err := io.ReadFull(from, header); err != nil {
		return nil, err
	}
	length := binary.LittleEndian.Uint32(header)
	if length < 16 || length > 64<<20 {
		return nil, io.ErrUnexpectedEOF
	}
	message := make([]byte, length)
	copy(message, header)
	_, err := io.ReadFull(from, message[16:])
	return message, err
}

// The name of a command: that of its document's first element, after the flags, the kind of section, the length and the type.
func command(message []byte) string {
	const start = 16 + 4 + 1 + 4 + 1
	if len(message) < start {
		return ""
	}
	name, _, _ := bytes.Cut(message[start:], []byte{0})
	return string(name)
}
