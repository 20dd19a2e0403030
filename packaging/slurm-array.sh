#!/bin/sh
# A SLURM array: sbatch slurm-array.sh
# Each of the ten jobs takes its own part of ids.txt. YESCALE_API_KEY_FILE and the settings of the bucket (docs/buckets.md) come
# from the environment of `sbatch`.
#SBATCH --job-name=yescale-archive
#SBATCH --array=0-9
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
#SBATCH --mem=1G
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --signal=TERM@120
# The last line sends SIGTERM to the program two minutes before the time is over: it records what is finished, and ends with 143.

srun yescale-dl -i ids.txt --shard auto -o s3://bucket/archive --spool "${SLURM_TMPDIR:-${TMPDIR:-/tmp}}"
code=$?

case $code in
    # The run can't work anywhere: no key, no bucket, bad usage. The other jobs would fail, too.
    2) scancel "$SLURM_ARRAY_JOB_ID" ;;
    # Out of time or preempted: the rest goes on in the same job.
    143) scontrol requeue "$SLURM_JOB_ID" ;;
esac
# 1: some task failed. 3: some task is not finished yet; submit the array again later.
exit $code
