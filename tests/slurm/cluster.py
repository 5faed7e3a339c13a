"""A real SLURM on this host for tests: accounting, two nodes with fake L40S, no systemd, no cgroups, all in one folder.

    python -m tests.slurm.cluster up FOLDER      # prints what to export
    python -m tests.slurm.cluster down FOLDER

Needs root, and Debian's packages slurmctld slurmd slurmdbd slurm-client munge mariadb-server-core mariadb-client-core.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

COMMANDS = ("munged", "mariadbd", "mariadb", "slurmdbd", "slurmctld", "slurmd", "sacctmgr", "sbatch", "sacct", "squeue")
NODES = ("l40s-1", "l40s-2")
GPUS_PER_NODE = 2
PORT = 26817


def missing() -> list[str]:
    """What a cluster needs and this machine does not have."""
    found = [command for command in COMMANDS if shutil.which(command) is None]
    return found + ([] if os.geteuid() == 0 else ["root"])


class Cluster:
    """The daemons, and the environment in which SLURM's commands talk to them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host = socket.gethostname().split(".")[0]
        self.daemons: dict[str, subprocess.Popen] = {}

    @property
    def environment(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.folder / "etc/slurm.conf")}

    def run(self, *command: str, check: bool = True) -> str:
        """Standard output of one of SLURM's commands."""
        done = subprocess.run(command, env=os.environ | self.environment, capture_output=True, text=True, timeout=60)
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr or done.stdout}")
        return done.stdout

    def start(self) -> None:
        for name in ("etc", "munge", "log", "run", "state", "dev", "db", *(f"spool/{node}" for node in NODES)):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for gpu in range(GPUS_PER_NODE):  # character devices, or slurmd exports no CUDA_VISIBLE_DEVICES
            os.mknod(self.folder / f"dev/nvidia{gpu}", 0o20666, os.makedev(1, 3))
        self._write_configuration()
        self._start_munge()
        self._start_accounting()
        self.start_controller()
        for node in NODES:
            self._start_node(node)
        _wait(lambda: self.run("sinfo", "-h", "-t", "idle", "-N", "-o", "%N").split().count(NODES[0]) > 0, "idle nodes")
        _wait(lambda: set(self.run("sinfo", "-h", "-t", "idle", "-N", "-o", "%N").split()) == set(NODES), "idle nodes")

    def start_controller(self) -> None:
        self._daemon("slurmctld", "slurmctld", "-D")
        _wait(lambda: "UP" in self.run("scontrol", "ping", check=False), "slurmctld")

    def stop_controller(self) -> None:
        """As a restart for maintenance does: it saves its state."""
        self._end("slurmctld")

    def lose_node(self, node: str) -> None:
        """As when its power fails: all that runs on it is gone at once, and the controller calls it down."""
        self.daemons.pop(f"slurmd.{node}").kill()
        on_it = f"SLURMD_NODENAME={node}\0".encode()
        jobs = self.run("squeue", "-h", "-w", node, "-o", "%A").split()
        steps = tuple(f"slurmstepd: [{job}.".encode() for job in jobs)
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if on_it in (process / "environ").read_bytes() or (process / "cmdline").read_bytes().startswith(steps):
                    os.kill(int(process.name), signal.SIGKILL)
            except OSError:  # it has ended meanwhile
                continue
        self.run("scontrol", "update", f"nodename={node}", "state=down", "reason=lost")

    def bring_back(self, node: str) -> None:
        """Starts a lost node again."""
        self._start_node(node)
        _wait(
            lambda: self.run("sinfo", "-h", "-N", "-n", node, "-o", "%t").split()[0] in ("idle", "mix", "alloc"),
            f"{node} is back",
        )

    def _start_node(self, node: str) -> None:
        self._daemon(f"slurmd.{node}", "slurmd", "-D", "-N", node)

    def stop(self) -> None:
        self.run("scancel", "--user=root", check=False)
        for name in reversed(list(self.daemons)):
            self._end(name)

    def _end(self, name: str) -> None:
        process = self.daemons.pop(name)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _daemon(self, name: str, *command: str) -> None:
        with (self.folder / f"log/{name}.out").open("ab") as log:
            self.daemons[name] = subprocess.Popen(
                command, env=os.environ | self.environment, stdout=log, stderr=log, start_new_session=True
            )

    def _start_munge(self) -> None:
        here = self.folder / "munge"
        (here / "key").write_bytes(os.urandom(128))
        (here / "key").chmod(0o600)
        here.chmod(0o755)
        places = (f"--key-file={here}/key", f"--socket={here}/socket", f"--pid-file={here}/pid")
        files = (f"--log-file={here}/log", f"--seed-file={here}/seed")
        self._daemon("munged", "munged", "--force", "--foreground", *places, *files)
        _wait(lambda: self.run("munge", "-n", "-S", f"{here}/socket", check=False) != "", "munge")

    def _start_accounting(self) -> None:
        data, socket_file = self.folder / "db", f"{self.folder}/run/db.socket"
        options = ("--no-defaults", "--user=root", f"--datadir={data}")
        made = ("--auth-root-authentication-method=normal", "--skip-test-db")
        self.run("mariadb-install-db", *options, *made)
        small = ("--innodb-buffer-pool-size=64M", "--innodb-lock-wait-timeout=900", "--skip-log-bin")
        fast = ("--innodb-flush-log-at-trx-commit=0",)
        place = (f"--socket={socket_file}", f"--pid-file={self.folder}/run/db.pid", f"--port={PORT + 3}")
        self._daemon("mariadbd", "mariadbd", *options, *place, "--bind-address=127.0.0.1", *small, *fast)
        client = ("mariadb", "--no-defaults", "-uroot", "-S", socket_file, "-e")
        _wait(lambda: self.run(*client, "select 1", check=False) != "", "mariadbd")
        for host in ("127.0.0.1", "localhost"):
            self.run(*client, f"create user slurm@'{host}' identified by 'slurm'")
            self.run(*client, f"grant all on slurm_acct_db.* to slurm@'{host}'")
        self.run(*client, "create database slurm_acct_db")
        self._daemon("slurmdbd", "slurmdbd", "-D")
        _wait(lambda: self.run("sacctmgr", "-n", "list", "cluster", check=False) is not None, "slurmdbd")
        for words in ("cluster test", "account test Cluster=test", "user root Account=test Cluster=test"):
            _wait(lambda words=words: self._added(words), f"sacctmgr add {words}")

    def _added(self, words: str) -> bool:
        kind, name, *_ = words.split()
        self.run("sacctmgr", "-i", "add", *words.split(), check=False)
        return name in self.run("sacctmgr", "-n", "list", kind, check=False)

    def _write_configuration(self) -> None:
        """From the templates beside this file; only the values of this cluster are filled in."""
        etc, here = self.folder / "etc", self.folder
        nodes = "".join(
            f"NodeName={node} NodeHostname={self.host} NodeAddr=127.0.0.1 Port={PORT + 11 + number} Sockets=1 "
            f"CoresPerSocket=16 ThreadsPerCore=1 RealMemory=64000 Gres=gpu:l40s:{GPUS_PER_NODE} State=UNKNOWN\n"
            for number, node in enumerate(NODES)
        )
        values = {"here": here, "host": self.host, "nodes": nodes}
        values |= {"port": PORT, "dbd_port": PORT + 2, "sql_port": PORT + 3}
        for name in ("slurm.conf", "slurmdbd.conf"):
            template = Path(__file__).with_name(f"{name}.in").read_text()
            (etc / name).write_text(template.format(**values))
        (etc / "slurmdbd.conf").chmod(0o600)
        (etc / "gres.conf").write_text(f"Name=gpu Type=l40s File={here}/dev/nvidia[0-{GPUS_PER_NODE - 1}]\n")
        (etc / "cgroup.conf").write_text(
            "CgroupPlugin=cgroup/v1\nConstrainCores=no\nConstrainDevices=no\nConstrainRAMSpace=no\n"
        )


def _wait(ready: Callable[[], bool], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: not there after {seconds:.0f} s")
        time.sleep(0.2)


if __name__ == "__main__":
    verb, folder = sys.argv[1], Path(sys.argv[2])
    if verb == "up":
        cluster = Cluster(folder)
        cluster.start()
        (folder / "pids").write_text("\n".join(str(daemon.pid) for daemon in cluster.daemons.values()))
        print("\n".join(f"export {name}={value}" for name, value in cluster.environment.items()))
    else:
        for pid in reversed((folder / "pids").read_text().split()):
            os.kill(int(pid), signal.SIGTERM)
            time.sleep(0.5)
