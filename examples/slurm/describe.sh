#!/bin/bash
# Describes a folder with a Slurm array: each task takes its share and keeps what it has done, so that a task that was killed goes on where it was.
#
#   sbatch --array=1-8 describe.sh /data/photos /data/descriptions
#   scontrol requeue JOB_3            a task again; or the whole array with the same sbatch line: what is done is skipped at once. Not --array=3 alone: that would be one share of one.
#   examples/join /data/descriptions > descriptions.jsonl
#
#SBATCH --job-name=opis
#SBATCH --cpus-per-task=2
#SBATCH --mem=1G
#SBATCH --time=12:00:00
#SBATCH --requeue
set -eu
pictures=$1 out=$2
mkdir -p "$out"
# exec: Slurm's signals reach opis itself. Exit status 1 says that some pictures could not be read; the others are done.
exec "${OPIS:-opis}" describe -r "$pictures" --shard env --resume --threads "${SLURM_CPUS_PER_TASK:-1}" --format jsonl -o "$(printf '%s/part-%05d.jsonl' "$out" "$SLURM_ARRAY_TASK_ID")"
