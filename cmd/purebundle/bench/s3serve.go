package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"purebundle/chunk/s3/s3test"
)

// store is an S3 server with a bucket, in a child: what this process has had in
// memory counts as the peak RSS of the programs that it starts.
type store struct {
	Env    []string // of its clients, "NAME=value"
	Bucket string
	dir    string
	stop   func() // ends the server and removes what it holds
}

func (s *store) bucketDir() string { return filepath.Join(s.dir, s.Bucket) }

// served is a server in a process of its own, which ends with its input.
type served struct {
	in   io.Writer
	out  io.Reader
	stop func()
}

// child starts this program with these arguments.
func (b *bench) child(args ...string) (*served, error) {
	cmd := exec.Command(b.self, args...)
	cmd.Stderr = b.log
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &served{in, out, func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			b.say("%s: %v", args[0], err)
		}
	}}, nil
}

// serve starts a store. It is an error if versitygw is not built.
func (b *bench) serve() (*store, error) {
	s := &store{dir: filepath.Join(b.dir, "s3")}
	if err := errors.Join(os.RemoveAll(s.dir), os.Mkdir(s.dir, 0o755)); err != nil {
		return nil, err
	}
	c, err := b.child("serve", s.dir)
	if err != nil {
		return nil, err
	}
	s.stop = func() {
		c.stop()
		if err := os.RemoveAll(s.dir); err != nil {
			b.say("S3 server: %v", err)
		}
	}
	if err := json.NewDecoder(c.out).Decode(s); err != nil {
		s.stop()
		return nil, errors.New("no server: make versitygw builds one")
	}
	return s, nil
}

// serveCommand runs as the child that runs the server until its input ends.
func serveCommand(args []string, stdin io.Reader, stdout io.Writer) error {
	if len(args) != 1 {
		return errors.New("serve: one directory needed")
	}
	program, err := s3test.Versitygw.Find()
	if err != nil {
		return err
	}
	server, stop, err := s3test.Versitygw.Run(program, args[0])
	if err != nil {
		return err
	}
	defer stop()
	s := store{Env: server.Env(), Bucket: "bench"}
	if _, err := server.Client().CreateBucket(context.Background(), &s3.CreateBucketInput{Bucket: &s.Bucket}); err != nil {
		return err
	}
	if err := json.NewEncoder(stdout).Encode(s); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, stdin)
	return err
}

// putCommand runs as the child that sends a bundle as a plain script would: each file
// by one PutObject with the SDK's own settings, one after the other, the manifest
// last.
func putCommand(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errors.New("put: a bucket and a directory needed")
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	parts, err := partFiles(args[1])
	if err != nil {
		return err
	}
	for _, name := range slices.Concat(parts, []string{filepath.Join(args[1], "image.sha256"), filepath.Join(args[1], "image.manifest.json")}) {
		if err := putFile(ctx, client, args[0], name); err != nil {
			return fmt.Errorf("put %s: %w", name, err)
		}
	}
	return nil
}

func putFile(ctx context.Context, client *s3.Client, bucket, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = client.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("dir/" + filepath.Base(name)), Body: f})
	return err
}
