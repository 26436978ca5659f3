#!/usr/bin/env bash
# A comparison on a real SLURM of one machine, with a job killed on the way: `bash benchmarks/slurm.sh FOLDER`.
# As root on Debian, in a container or a machine of its own: apt-get install slurm-wlm munge
set -euo pipefail
project=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$1" && cd "$1" && folder=$PWD
export PATH="$project/.venv/bin:$PATH" HOME="$folder/home" OMP_NUM_THREADS=1
export GIT_AUTHOR_NAME=SLURM GIT_AUTHOR_EMAIL=slurm@localhost GIT_COMMITTER_NAME=SLURM GIT_COMMITTER_EMAIL=slurm@localhost
mkdir -p home/.config/dask state spool
cores=$(nproc)
cat > /etc/slurm/slurm.conf <<CONF
ClusterName=one
SlurmctldHost=$(hostname)
SlurmUser=root
AuthType=auth/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
ReturnToService=2
NodeName=$(hostname) CPUs=$cores RealMemory=4000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES State=UP
CONF
mkdir -p /run/munge && chown munge: /run/munge
pgrep -x munged > munged.was || su -s /bin/sh munge -c munged
slurmctld && slurmd
trap 'scancel --user root || true; kill $(cat "$folder/slurmd.pid" "$folder/slurmctld.pid") || true; [ -s "$folder/munged.was" ] || kill $(pgrep -x munged)' EXIT
until sinfo --noheader --states idle | grep -q main; do sleep 1; done
sinfo

cat > home/.config/dask/jobqueue.yaml <<YAML
jobqueue:
  slurm:
    {cores: 1, processes: 1, memory: 1GB, walltime: "00:20:00", queue: main, interface: lo,
     local-directory: $folder/local, log-directory: $folder/jobs}
YAML
[ -e project ] || python - "$project" <<'PYTHON'
import sys
from pathlib import Path
sys.path.insert(0, f"{sys.argv[1]}/tests")
from pipeline_helpers import checkout, run
Path("project").mkdir()
run("dvc remote add --default storage ../remote && git commit -qam remote", checkout(Path("project")))
PYTHON
cd project
options="--models lenet --seeds 1,2"
(until squeue --noheader --states running --format %i | grep -q . && grep -q "stage 'pretrain'" ../said; do sleep 0.5; done
 job=$(squeue --noheader --states running --format %i | head -n 1); echo "--- killing job $job"; scancel --signal KILL --full "$job") &
emnist compare --cluster slurm --jobs 2 --checkpoints "$folder/checkpoints" $options | tee ../said
wait
sacct 2> /dev/null || ls ../jobs

for seed in 1 2; do dvc exp run --temp --quiet --name "here-$seed" -S model=lenet -S seed=$seed; done
for seed in 1 2; do
    ref() { git for-each-ref --format '%(objectname)' "refs/exps/*/*/$1"; }
    git diff --exit-code --stat "$(ref "lenet-$seed")" "$(ref "here-$seed")" && echo "lenet-$seed: the same bytes as here"
done
