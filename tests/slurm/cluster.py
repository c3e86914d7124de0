"""A real Slurm on this machine during a test, as root and without systemd.

Its files are in a folder of the test. Only `slurm.conf`, `gres.conf` and `slurmdbd.conf` are written to /etc/slurm,
because the Snakemake plugin hides SLURM_CONF from its jobs; they are removed at the end. Another cluster on the machine
is never touched.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

CONFIGURATION = Path("/etc/slurm")
FILES = ("slurm.conf", "gres.conf", "slurmdbd.conf")
MARK = "# lbt test cluster"
FIRST_PORT = 17101
DEVICES = ("/dev/zero", "/dev/full")
"""Device files in place of GPUs; they are never read."""
PROGRAMS = ("slurmctld", "slurmd", "munged", "mungekey", "sbatch", "scontrol")
DATABASE_PROGRAMS = ("slurmdbd", "sacct", "sacctmgr", "mariadbd", "mariadb-install-db", "mariadb-admin")

WITHOUT_ACCOUNTING = """
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
"""
WITH_ACCOUNTING = """
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost={host}
AccountingStoragePass={folder}/munge.socket
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment
JobAcctGatherType=jobacct_gather/linux
"""
DATABASE = """{mark}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
DbdHost={host}
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=lbt
PidFile={folder}/slurmdbd.pid
LogFile={folder}/slurmdbd.log
"""


def why_not(*, accounting: bool = False) -> str | None:
    """The reason why no cluster can start here, or None."""
    if os.geteuid() != 0:
        return "a test cluster needs root"
    wanted = PROGRAMS + (DATABASE_PROGRAMS if accounting else ())
    missing = [name for name in wanted if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") is None]
    if missing:
        return f"{', '.join(missing)} not found; install the packages of tests/debian-packages.txt"
    if subprocess.run(["scontrol", "ping"], capture_output=True, check=False).returncode == 0:
        return "a slurmctld runs here already"
    theirs = [CONFIGURATION / name for name in FILES if (CONFIGURATION / name).exists()]
    if not all(path.read_text().startswith(MARK) for path in theirs):
        return f"{CONFIGURATION} holds the configuration of another cluster"
    return None


class Cluster:
    """A Slurm that runs inside a `with` block.

    Args:
        folder: for its files; `jobcomp.log` holds the records of the jobs.
        gpus: number of pretended GPUs of each node; the nodes are `n1`, `n2` and so on.
        cpus: of each node, whatever the machine has.
        longest: time limit of the partition.
        accounting: whether slurmdbd and a database run, so that sacct answers.
    """

    def __init__(
        self,
        folder: Path,
        *,
        gpus: Sequence[int] = (0,),
        cpus: int = 2,
        longest: str = "INFINITE",
        accounting: bool = False,
    ) -> None:
        self.folder, self.accounting = folder, accounting
        self.cpus, self.longest = cpus, longest
        self.gpus = {f"n{number}": count for number, count in enumerate(gpus, start=1)}
        self.host = socket.gethostname().split(".")[0]
        self.database: subprocess.Popen | None = None

    def __enter__(self) -> Cluster:
        for name in ("state", *(f"spool-{node}" for node in self.gpus)):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        CONFIGURATION.mkdir(exist_ok=True)
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        daemons = [f"slurmd-{node}" for node in self.gpus]
        if (self.folder / f"{daemons[0]}.pid").exists():
            subprocess.run(["scancel", "--user=root"], check=False)
            _wait("the end of the jobs", lambda: not _output("squeue", "--noheader"))
        for name in (*daemons, "slurmctld", "slurmdbd", "munged"):
            self._stop(name)
        if self.database is not None:
            self.database.terminate()
            self.database.wait(timeout=30)
        for name in FILES:
            (CONFIGURATION / name).unlink(missing_ok=True)

    def jobs(self) -> dict[str, dict[str, str]]:
        """The jobs that slurmctld knows, by number: fields of `scontrol show job`."""
        lines = _output("scontrol", "show", "job", "--oneliner").splitlines()
        records = [dict(word.partition("=")[::2] for word in line.split() if "=" in word) for line in lines]
        return {record["JobId"]: record for record in records if "JobId" in record}

    def completed(self) -> dict[str, dict[str, str]]:
        """The finished jobs by number, from the file to which Slurm appends at the end of each job."""
        lines = (self.folder / "jobcomp.log").read_text().splitlines()
        records = [dict(word.partition("=")[::2] for word in line.split()) for line in lines]
        return {record["JobId"]: record for record in records}

    def accounts(self) -> dict[str, dict[str, str]]:
        """The jobs in the accounting database by number: fields of sacct."""
        fields = ("JobIDRaw", "Comment", "State", "ReqCPUS", "ReqMem", "AllocTRES", "TimelimitRaw", "ExitCode")
        text = _output("sacct", "--noheader", "--allocations", "--parsable2", f"--format={','.join(fields)}")
        records = [dict(zip(fields, line.split("|"), strict=True)) for line in text.splitlines()]
        return {record["JobIDRaw"]: record for record in records}

    def _start(self) -> None:
        words = {"folder": self.folder, "host": self.host, "mark": MARK, "cpus": self.cpus, "longest": self.longest}
        text = (Path(__file__).parent / "slurm.conf").read_text()
        text = (text + (WITH_ACCOUNTING if self.accounting else WITHOUT_ACCOUNTING)).format(**words)
        nodes = []
        for port, (node, count) in enumerate(self.gpus.items(), start=FIRST_PORT):
            gres = f" Gres=gpu:{count}" if count else ""
            nodes.append(f"NodeName={node} NodeHostname={self.host} Port={port}{gres}")
        if any(self.gpus.values()):
            nodes.append("GresTypes=gpu")
            gpus = [f"NodeName={node} Name=gpu File={','.join(DEVICES[:count])}" for node, count in self.gpus.items()]
            (CONFIGURATION / "gres.conf").write_text("\n".join([MARK, *gpus, ""]))
        (CONFIGURATION / "slurm.conf").write_text("\n".join([text, *nodes, ""]))
        _run("mungekey", "--create", "--force", f"--keyfile={self.folder}/munged.key")
        files = [f"--{kind}-file={self.folder}/munged.{kind}" for kind in ("key", "seed", "pid", "log")]
        _run("munged", "--force", f"--socket={self.folder}/munge.socket", *files)
        if self.accounting:
            self._start_database()
            path = CONFIGURATION / "slurmdbd.conf"
            path.touch(mode=0o600)
            path.write_text(DATABASE.format(**words))
            _run("slurmdbd", MYSQL_UNIX_PORT=str(self.folder / "mariadb.socket"))
            _wait("slurmdbd", lambda: _answers("sacctmgr", "--noheader", "show", "cluster"))
            _run("sacctmgr", "--immediate", "add", "cluster", "lbt")
            _run("sacctmgr", "--immediate", "add", "account", "lab")
            _run("sacctmgr", "--immediate", "add", "user", "root", "account=lab")
        _run("slurmctld")
        for node in self.gpus:
            _run("slurmd", "-N", node)
        idle = ["idle", str(len(self.gpus))]
        _wait("slurmd", lambda: _output("sinfo", "--noheader", "--format=%T %D").split() == idle)

    def _start_database(self) -> None:
        data, log = self.folder / "mariadb", self.folder / "mariadb.log"
        _run("mariadb-install-db", "--no-defaults", f"--datadir={data}", "--user=root", "--skip-test-db")
        options = [f"--datadir={data}", f"--socket={self.folder}/mariadb.socket", "--user=root"]
        options += ["--skip-networking", "--skip-grant-tables", "--innodb-buffer-pool-size=64M"]
        with open(log, "wb") as file:
            self.database = subprocess.Popen([_path("mariadbd"), "--no-defaults", *options], stdout=file, stderr=file)
        ping = ("mariadb-admin", "--no-defaults", f"--socket={self.folder}/mariadb.socket", "ping")
        _wait("mariadbd", lambda: _answers(*ping))

    def _stop(self, name: str) -> None:
        """End the daemon whose number is in its file, and wait for it."""
        file = self.folder / f"{name}.pid"
        if not file.exists():
            return
        number = int(file.read_text())
        try:
            os.kill(number, signal.SIGTERM)
            _wait(f"the end of {name}", lambda: not Path(f"/proc/{number}").exists())
        except ProcessLookupError:
            pass


def _path(program: str) -> str:
    return shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin") or program


def _run(program: str, *arguments: str, **environment: str) -> None:
    command, everything = [_path(program), *arguments], os.environ | environment
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=everything, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{program} ended with {done.returncode}: {done.stdout.decode(errors='replace')}")


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _answers(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _wait(what: str, ready: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: nothing after {seconds:g} s; see the logs in the test's folder")
        time.sleep(0.2)
