"""Installs what the engine is compared with, into a cache of its own: $STEMMA_PEERS, else
~/.cache/stemma/peers.

Python from the torch wheel that the build uses (so the peers compute with the same kernels), timm,
torchvision with PIL, and Horovod built from its source package. Nothing of it is needed to build,
test or run Stemma, and tools/setup knows nothing of it.
"""

import glob
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import tarfile

HOME = pathlib.Path(os.environ.get("STEMMA_PEERS") or pathlib.Path.home() / ".cache/stemma/peers")
TORCH = pathlib.Path.home() / ".cache/stemma/torch-2.11.0"
HOROVOD = "0.28.1"
HOROVOD_SHA256 = "92a43f5a94c43907a56805bad15f19700c62ffc83b7ca483f9e104e229f67ef0"
# What torch's and Horovod's Python import, and what builds Horovod.
PACKAGES = ["filelock==4.2.11", "typing-extensions==4.16.0", "sympy==1.14.0", "networkx==3.6.1",
            "jinja2==3.1.6", "fsspec==2026.9.0", "numpy==2.4.6", "cloudpickle==3.1.2",
            "psutil==7.2.2", "pyyaml==6.0.3", "packaging==26.3", "setuptools==80.9.0",
            "wheel==0.45.1"]
CMAKE = "cmake==3.31.6"
TIMM = "timm==1.0.31"
# What reads images for torch's Python. torchvision 0.26 is made for torch 2.11.
IMAGES = ["torchvision==0.26.0", "pillow==13.0.0"]
# CUDA's libraries: torch's Python loads them even where there is no GPU.
NVIDIA = ["cuda-toolkit[cublas,cudart,cufft,cufile,cupti,curand,cusolver,cusparse,nvjitlink,nvrtc,"
          "nvtx]==13.0.2", "nvidia-cudnn-cu13==9.19.0.56", "nvidia-cusparselt-cu13==0.8.0",
          "nvidia-nccl-cu13==2.28.9", "nvidia-nvshmem-cu13==3.4.5"]


class Missing(Exception):
    """A peer that cannot be had here, with the reason."""


def python():
    return HOME / "venv/bin/python"


def _run(command, what, **options):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, universal_newlines=True, **options)
    if done.returncode != 0:
        raise Missing("%s failed:\n%s" % (what, "\n".join(done.stdout.splitlines()[-15:])))
    return done.stdout


def environment():
    """With the libraries that torch's Python loads, from a toolkit or from wheels."""
    cuda = os.environ.get("CUDA_HOME", "/usr/local/cuda")
    folders = [cuda + "/lib64", cuda + "/lib", cuda + "/extras/CUPTI/lib64"]
    for root in (str(TORCH), str(HOME / "venv/lib/python3.11/site-packages")):
        folders += sorted(glob.glob(root + "/nvidia/*/lib"))
    known = [f for f in folders if os.path.isdir(f)]
    return dict(os.environ, LD_LIBRARY_PATH=":".join(known), GLOO_SOCKET_IFNAME="lo",
                OMP_NUM_THREADS="1", OMPI_ALLOW_RUN_AS_ROOT="1",
                OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")


def _base_python():
    """The wheel is for CPython 3.11."""
    for name in ("/usr/bin/python3.11", "python3.11", "/usr/bin/python3", "python3"):
        path = shutil.which(name)
        if not path:
            continue
        said = subprocess.run([path, "-c", "import sys, venv, ensurepip; print(sys.version[:4])"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              universal_newlines=True)
        if said.returncode == 0 and said.stdout.strip() == "3.11":
            return path
    raise Missing("torch's wheel is for Python 3.11 with venv, which this machine has not "
                  "(Debian 12: python3-venv)")


def _pip(*arguments, what, **options):
    return _run([python(), "-m", "pip", "--disable-pip-version-check", *arguments], what, **options)


def _imports(name):
    done = subprocess.run([str(python()), "-c", "import " + name], env=environment(),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True)
    return done.returncode == 0, done.stdout.strip().split("\n")[-1]


def torch():
    """Makes torch's Python; returns nothing, or raises Missing."""
    mark = HOME / ".torch"
    if mark.exists():
        return
    if not (TORCH / "torch/__init__.py").exists():
        raise Missing("%s holds no torch: tools/setup unpacks it there" % TORCH)
    HOME.mkdir(parents=True, exist_ok=True)
    if not python().exists():
        print("peers: making %s" % (HOME / "venv"), flush=True)
        _run([_base_python(), "-m", "venv", HOME / "venv"], "python -m venv")
    _pip("install", "--quiet", *PACKAGES, what="pip install")
    site = HOME / "venv/lib/python3.11/site-packages"
    (site / "stemma_torch.pth").write_text(str(TORCH) + "\n")
    good, why = _imports("torch.distributed")
    if not good and ".so" in why:
        print("peers: torch's Python lacks libraries (%s): getting CUDA's, 2.3 GB" % why,
              flush=True)
        _pip("install", "--quiet", *NVIDIA, what="pip install of CUDA's libraries")
        good, why = _imports("torch.distributed")
    if not good:
        raise Missing("torch's Python does not start: " + why)
    mark.write_text("")


def timm():
    """timm's source without what its models need: its optimizers want torch alone."""
    torch()
    mark = HOME / ".timm"
    if mark.exists():
        return
    _pip("install", "--quiet", "--no-deps", TIMM, what="pip install of timm")
    mark.write_text("")


def torchvision():
    """Adds torchvision and PIL to torch's Python; returns nothing, or raises Missing."""
    torch()
    mark = HOME / ".torchvision"
    if mark.exists():
        return
    # torch is not one of pip's packages here, so pip must not look for it.
    _pip("install", "--quiet", "--no-deps", *IMAGES, what="pip install of torchvision")
    good, why = _imports("torchvision.transforms")
    if not good:
        raise Missing("torchvision does not start: " + why)
    mark.write_text("")


def require(name):
    """Raises Missing, with what to run, unless the peer is there: nothing is installed."""
    if not (HOME / ("." + name)).exists():
        raise Missing("%s holds no %s: `tools/bench/peers install` gets it" % (HOME, name))


def _horovod_source():
    """The source package, checked, unpacked and with its C++ standard raised to torch's."""
    work = HOME / "horovod"
    shutil.rmtree(str(work), ignore_errors=True)
    work.mkdir(parents=True)
    _pip("download", "--quiet", "--no-deps", "--no-build-isolation", "--no-binary", ":all:",
         "-d", work, "horovod==" + HOROVOD, what="pip download of Horovod")
    package = work / ("horovod-%s.tar.gz" % HOROVOD)
    found = hashlib.sha256(package.read_bytes()).hexdigest()
    if found != HOROVOD_SHA256:
        raise Missing("Horovod's source has SHA-256 %s, wanted %s" % (found, HOROVOD_SHA256))
    with tarfile.open(str(package)) as archive:
        archive.extractall(str(work))
    source = work / ("horovod-" + HOROVOD)
    for name in ("CMakeLists.txt", "horovod/torch/CMakeLists.txt"):
        text = (source / name).read_text()
        changed = re.sub(r"set\(CMAKE_CXX_STANDARD 14\)", "set(CMAKE_CXX_STANDARD 17)", text)
        if changed == text:
            raise Missing("%s of Horovod sets no C++ standard to raise" % name)
        (source / name).write_text(changed)
    return source


def horovod():
    """Builds Horovod with MPI and torch, once; raises Missing, also for an earlier failure."""
    torch()
    mark = HOME / ".horovod"
    failed = HOME / ".horovod-failed"
    if mark.exists():
        return
    if failed.exists():
        raise Missing("Horovod did not build here (remove %s to try again):\n%s"
                      % (failed, failed.read_text()))
    if not shutil.which("mpicxx"):
        raise Missing("Horovod needs mpicxx")
    if not shutil.which("cmake"):
        _pip("install", "--quiet", CMAKE, what="pip install of cmake")
    print("peers: building Horovod %s, some minutes" % HOROVOD, flush=True)
    wanted = dict(environment(), HOROVOD_WITH_MPI="1", HOROVOD_WITHOUT_GLOO="1",
                  HOROVOD_WITH_PYTORCH="1", HOROVOD_WITHOUT_TENSORFLOW="1",
                  HOROVOD_WITHOUT_MXNET="1", HOROVOD_CPU_OPERATIONS="MPI", MAKEFLAGS="-j2",
                  PATH="%s:%s" % (HOME / "venv/bin", os.environ["PATH"]))
    try:
        source = _horovod_source()
        _pip("install", "--no-build-isolation", "--no-deps", source,
             what="building Horovod (python3-dev and a C++17 compiler are needed)", env=wanted)
        good, why = _imports("horovod.torch")
        if not good:
            raise Missing("Horovod was built and does not start: " + why)
    except Missing as reason:
        failed.write_text(str(reason))
        raise
    shutil.rmtree(str(HOME / "horovod"), ignore_errors=True)
    mark.write_text("")
