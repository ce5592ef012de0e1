"""What a cluster gives each step: cores, memory, devices, nodes, disk, further tries, and the way to the store.

    Cluster(accelerators=2, retries=2).gives(task, "train")

The default is what every cluster takes. The rest is said when the pipeline is compiled for one of them. On one
machine a step is a process and takes what there is.
"""

from dataclasses import dataclass

from kfp import kubernetes
from kfp.dsl import PipelineTask

# Of the cluster: where the store is, and the keys to it, which are no parameters: every page of a run shows those.
CONFIG_MAP, SECRET = "binocular-store", "binocular-store"
ADDRESS = {key: f"BINOCULAR_STORE_{key.upper()}" for key in ("url", "bucket", "region")}
KEYS = {key: f"BINOCULAR_STORE_{key.upper()}" for key in ("access_key", "secret_key")}
# Who the steps are; the image says so too, but a cluster may ask to be told.
NOBODY = 65532
GPU = "nvidia.com/gpu"
SCRATCH = "/tmp"  # noqa: S108 - where the image has the steps write
TRAINING = "train"


@dataclass(frozen=True)
class Needs:
    """Cores and memory: what a step is promised, and what it may take at most."""

    cores: str
    memory: str
    most_cores: str
    most_memory: str


NEEDS = {
    "ingest": Needs("1", "1Gi", "4", "4Gi"),
    "validate": Needs("1", "1Gi", "4", "4Gi"),
    "train": Needs("2", "4Gi", "16", "32Gi"),
    "evaluate": Needs("1", "2Gi", "4", "8Gi"),
    "export": Needs("1", "2Gi", "4", "8Gi"),
    "record_rejection": Needs("250m", "256Mi", "1", "1Gi"),
}


@dataclass(frozen=True)
class Cluster:
    """What one cluster gives beyond the default."""

    accelerators: int = 0  # for training
    accelerator: str = GPU
    nodes: tuple[tuple[str, str], ...] = ()  # labels of the nodes that training may run on
    retries: int = 0
    shards: int = 1  # workers that look at photos side by side
    pull_secret: str = ""
    scratch: str = ""  # the size of a volume for each step; nothing: the node's disk
    storage_class: str = ""

    def gives(self, task: PipelineTask, step: str) -> None:
        """Give a step what it gets."""
        kubernetes.use_config_map_as_env(task, CONFIG_MAP, ADDRESS)
        kubernetes.use_secret_as_env(task, SECRET, KEYS)
        kubernetes.set_security_context(task, run_as_user=NOBODY, run_as_group=NOBODY, run_as_non_root=True)
        needs = NEEDS[step]
        task.set_cpu_request(needs.cores).set_cpu_limit(needs.most_cores)
        task.set_memory_request(needs.memory).set_memory_limit(needs.most_memory)
        if self.retries:
            task.set_retry(self.retries, backoff_duration="30s", backoff_factor=2.0, backoff_max_duration="600s")
        if self.pull_secret:
            kubernetes.set_image_pull_secrets(task, [self.pull_secret])
        if self.scratch:
            kubernetes.add_ephemeral_volume(
                task, "scratch", SCRATCH, ["ReadWriteOnce"], self.scratch, self.storage_class or None
            )
        if step == TRAINING:
            self._gives_devices(task)

    def _gives_devices(self, task: PipelineTask) -> None:
        if self.accelerators:
            task.set_accelerator_type(self.accelerator).set_accelerator_limit(self.accelerators)
            kubernetes.add_toleration(task, key=self.accelerator, operator="Exists", effect="NoSchedule")
        for label, value in self.nodes:
            kubernetes.add_node_selector(task, label, value)
