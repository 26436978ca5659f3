"""Connections to Dask clusters."""

import json
import logging
import signal
import socket
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from distributed import Client
from distributed.comm.addressing import get_address_host_port
from distributed.security import Security

from emnist.utils.errors import UserError
from emnist.utils.progress import log

# The queueing systems whose jobs Dask's own configuration describes, in ~/.config/dask/jobqueue.yaml.
QUEUES = ("htcondor", "lsf", "moab", "oar", "pbs", "sge", "slurm")


@contextmanager
def connect(address):
    """Connect to a cluster, and disconnect at the end; a queueing system's jobs end with it.

    `address` is that of a scheduler, or its scheduler file, or one of `QUEUES`. `UserError` if there is no scheduler,
    or the queue or TLS is not configured.

    Yields
    ------
    client : distributed.Client
    cluster : dask_jobqueue.JobQueueCluster or None
        None if its workers are started by others.
    """
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # a lost connection is told in one sentence
    if address in QUEUES:
        on_ctrl_c = signal.getsignal(signal.SIGINT)
        import dask_jobqueue

        signal.signal(signal.SIGINT, on_ctrl_c)  # dask_jobqueue has replaced it
        try:
            (cluster,) = (cls() for name, cls in vars(dask_jobqueue).items() if name.lower() == f"{address}cluster")
        except (ValueError, RuntimeError, OSError) as error:
            raise UserError(
                f"the queue {address} should be configured in ~/.config/dask/jobqueue.yaml, but {error}"
            ) from None
        with cluster, Client(cluster, set_as_default=False) as client:
            log(f"cluster: the scheduler of the jobs is {cluster.scheduler_address}")
            yield client, cluster
        return
    try:
        scheduler = json.loads(Path(address).read_text())["address"] if Path(address).is_file() else address
        if scheduler.startswith("tls://") and not Security().get_connection_args("client")["ssl_context"]:
            raise UserError(
                f"{scheduler} needs certificates in ~/.config/dask/distributed.yaml: docs/cluster.md shows how"
            )
        get_address_host_port(scheduler, strict=True)  # a `Client` would print a traceback as well
        client = Client(scheduler, set_as_default=False, timeout="10s")
    except (OSError, TimeoutError, ValueError, KeyError) as error:
        raise UserError(
            f"--cluster should be the address of a Dask scheduler, its scheduler file, or one of {', '.join(QUEUES)}, "
            f"but {address!r} cannot be reached: {error}"
        ) from None
    with client:
        warn_without_tls(client.scheduler.address)
        yield client, None


def warn_without_tls(address):
    """Log a warning if a scheduler is reached over a network without TLS."""
    url = urlsplit(address)
    if url.scheme != "tls" and not is_loopback(url.hostname):
        log(
            f"warning: the connection to {address} is without TLS: whoever reaches this scheduler can run any code on "
            "its workers; docs/cluster.md shows how to set TLS up"
        )


def is_loopback(host):
    """Tell whether a host (name, IP address, or None inside this process) is this machine's loopback interface."""
    try:
        return host is None or ip_address(socket.gethostbyname(host)).is_loopback
    except (OSError, ValueError):
        return False
