#!/bin/sh
# Describes a folder in N processes with GNU parallel; run again, it goes on where it was. For several machines that share the folder: PARALLEL='--sshloginfile machines' before it.
#
#   describe.sh 8 /data/photos /data/descriptions
#   examples/join /data/descriptions > descriptions.jsonl
set -eu
n=$1 pictures=$2 out=$3
mkdir -p "$out"
# Each process learns its share as a task of Kubernetes does: an index from 0 and the count. One thread each: the processes share the cores.
seq 0 $((n - 1)) | parallel --will-cite --jobs "$n" --quote env JOB_COMPLETION_INDEX={} OPIS_SHARD_COUNT="$n" \
  "${OPIS:-opis}" describe -r "$pictures" --shard env --resume --threads 1 --format jsonl -o "$out/part-{}.jsonl"
