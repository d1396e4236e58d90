// A server of S3's interface for the tests: it checks each request's signature (version 4), speaks TLS where it is given
// a certificate, and closes its door at SIGUSR1 until SIGUSR2, keeping what it has.
package main

import (
	"context"
	"crypto/tls"
	"flag"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/rclone/gofakes3"
	"github.com/rclone/gofakes3/s3mem"
)

// An empty delimiter is none, as S3 has it.
type store struct{ *s3mem.Backend }

func (s store) ListBucket(
	of context.Context, name string, prefix *gofakes3.Prefix, page gofakes3.ListBucketPage,
) (*gofakes3.ObjectList, error) {
	if prefix != nil && prefix.Delimiter == "" {
		prefix.HasDelimiter = false
	}
	return s.Backend.ListBucket(of, name, prefix, page)
}

func main() {
	address := flag.String("address", "", "host:port")
	bucket := flag.String("bucket", "", "the one bucket")
	access := flag.String("access-key", "", "who may ask")
	secret := flag.String("secret-key", "", "what requests are signed with")
	pem := flag.String("pem", "", "a file with a certificate and its key; none: no TLS")
	flag.Parse()

	kept := store{s3mem.New()}
	if err := kept.CreateBucket(context.Background(), *bucket); err != nil {
		log.Fatal(err)
	}
	handler := gofakes3.New(kept, gofakes3.WithV4Auth(map[string]string{*access: *secret})).Server()

	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGUSR1, syscall.SIGUSR2)
	for {
		server := &http.Server{Addr: *address, Handler: handler, TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
		go func() {
			var err error
			if *pem == "" {
				err = server.ListenAndServe()
			} else {
				err = server.ListenAndServeTLS(*pem, *pem)
			}
			if err != http.ErrServerClosed {
				log.Fatal(err)
			}
		}()
		for <-told != syscall.SIGUSR1 {
		}
		server.Close()
		for <-told != syscall.SIGUSR2 {
		}
	}
}
