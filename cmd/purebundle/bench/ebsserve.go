package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ebs"
	"github.com/aws/aws-sdk-go-v2/service/ebs/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"purebundle/chunk/ebs/ebstest"
	"purebundle/chunk/ec2/ami/amitest"
)

// ebsLatency is how long the server takes for a block at least: EBS takes 5 to 20 ms.
const ebsLatency = 5 * time.Millisecond

// ebsServer is an EBS in a child.
type ebsServer struct {
	Env  []string // of its clients, "NAME=value"
	stop func()

	ask    io.Writer
	answer *json.Decoder
}

// ebsState is what the child tells of itself.
type ebsState struct {
	Snapshots, Complete int
	Blocks              int // that they have
	Puts                int // requests to write a block since it was asked to forget
}

// serveEBS starts a child that is an EBS.
func (b *bench) serveEBS() (*ebsServer, error) {
	c, err := b.child("ebs")
	if err != nil {
		return nil, err
	}
	s := &ebsServer{stop: c.stop, ask: c.in, answer: json.NewDecoder(c.out)}
	if err := s.answer.Decode(s); err != nil {
		s.stop()
		return nil, fmt.Errorf("the server of EBS: %w", err)
	}
	return s, nil
}

// state asks the child what it holds.
func (s *ebsServer) state() (state ebsState, err error) {
	if _, err := io.WriteString(s.ask, "state\n"); err != nil {
		return state, err
	}
	return state, s.answer.Decode(&state)
}

// forget has the child forget it.
func (s *ebsServer) forget() error {
	if _, err := io.WriteString(s.ask, "forget\n"); err != nil {
		return err
	}
	return s.answer.Decode(new(ebsState))
}

// ebsCommand runs as the child that is an EBS until its input ends: each line asks
// something.
func ebsCommand(stdin io.Reader, stdout io.Writer) error {
	dir, err := os.MkdirTemp("", "purebundle-bench-ebs-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := ebstest.New(dir, amitest.Account{})
	s.Endpoint, s.Digests = "http://"+listener.Addr().String(), true
	s.Hold(ebsLatency)
	front := &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	defer front.Close()
	go func() { _ = front.Serve(listener) }() // until Close
	answer := json.NewEncoder(stdout)
	if err := answer.Encode(ebsServer{Env: s.Env()}); err != nil {
		return err
	}
	before := 0
	for lines := bufio.NewScanner(stdin); lines.Scan(); {
		if lines.Text() == "forget" {
			s.Forget()
			before = s.Count("PutSnapshotBlock")
		}
		state := ebsState{Puts: s.Count("PutSnapshotBlock") - before}
		for _, sn := range s.Snapshots() {
			state.Snapshots++
			state.Blocks += sn.Blocks
			if sn.State == "completed" {
				state.Complete++
			}
		}
		if err := answer.Encode(state); err != nil {
			return err
		}
	}
	return nil
}

// blocksCommand runs as the child that puts a bundle into a snapshot as a plain script
// would: each block that is not zero by one PutSnapshotBlock with the SDK's own settings,
// one after the other.
func blocksCommand(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New("blocks: one directory needed")
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	parts, err := partFiles(args[0])
	if err != nil {
		return err
	}
	p := &blockPutter{client: ebs.NewFromConfig(cfg), all: sha256.New()}
	size := int64(len(parts)) * partSize
	out, err := p.client.StartSnapshot(ctx, &ebs.StartSnapshotInput{VolumeSize: aws.Int64((size + 1<<30 - 1) >> 30)})
	if err != nil {
		return err
	}
	p.id = out.SnapshotId
	buf := make([]byte, ebstest.BlockSize)
	for i, name := range parts {
		if err := p.part(ctx, int32(i), name, buf); err != nil {
			return fmt.Errorf("blocks of %s: %w", name, err)
		}
	}
	sum := base64.StdEncoding.EncodeToString(p.all.Sum(nil))
	_, err = p.client.CompleteSnapshot(ctx, &ebs.CompleteSnapshotInput{SnapshotId: p.id, ChangedBlocksCount: &p.count, Checksum: &sum,
		ChecksumAlgorithm: types.ChecksumAlgorithmChecksumAlgorithmSha256, ChecksumAggregationMethod: types.ChecksumAggregationMethodChecksumAggregationLinear})
	if err != nil {
		return err
	}
	_, err = ec2.NewFromConfig(cfg).DescribeSnapshots(ctx, &ec2.DescribeSnapshotsInput{SnapshotIds: []string{*p.id}}) // the server has it complete at once
	return err
}

// blockPutter puts blocks in ascending order.
type blockPutter struct {
	client *ebs.Client
	id     *string
	all    hash.Hash // of the digests
	count  int32
}

// part puts the blocks of the file of part i.
func (p *blockPutter) part(ctx context.Context, i int32, name string, buf []byte) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	const perPart = partSize / ebstest.BlockSize
	for k := range int32(perPart) {
		if _, err := io.ReadFull(f, buf); err != nil {
			return err
		}
		if bytes.Count(buf, []byte{0}) == len(buf) {
			continue
		}
		sum := sha256.Sum256(buf)
		index := i*perPart + k
		_, err := p.client.PutSnapshotBlock(ctx, &ebs.PutSnapshotBlockInput{SnapshotId: p.id, BlockIndex: &index, BlockData: bytes.NewReader(buf),
			DataLength: aws.Int32(ebstest.BlockSize), Checksum: aws.String(base64.StdEncoding.EncodeToString(sum[:])),
			ChecksumAlgorithm: types.ChecksumAlgorithmChecksumAlgorithmSha256})
		if err != nil {
			return err
		}
		p.count++
		p.all.Write(sum[:])
	}
	return nil
}
