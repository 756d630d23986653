"""@libtorch: LibTorch from $LIBTORCH_HOME, or from the wheel that tools/setup unpacked."""

load("//tools/workspace:missing.bzl", "write_missing")

# The wheel carries headers of other projects. These would hide the system's: Debian's spdlog does
# not compile with the wheel's fmt. What we include of LibTorch needs neither.
_SHADOWS = ["fmt", "google"]

# hdrs names the folder, not its 9,000 files: a sandbox then holds one link instead of 9,000. Bazel
# does not look for changes inside such a folder, so the version is a define: another one rebuilds
# all. `cpu` leaves out libtorch.so on purpose: that asks for libtorch_cuda.so, and so for CUDA.
_BUILD = """package(default_visibility = ["//visibility:public"])
cc_library(
    name = "cpu",
    hdrs = ["include"],
    defines = ["STEMMA_LIBTORCH_{version}"],
    includes = ["include/torch/csrc/api/include", "include"],
    linkopts = {paths} + ["-ltorch_cpu", "-lc10"],
)
cc_library(
    name = "cuda",
    linkopts = ["-Wl,--no-as-needed", "-ltorch_cuda", "-lc10_cuda", "-Wl,--allow-shlib-undefined"],
    deps = [":cpu"],
)
"""

def _version(ctx, home):
    file = ctx.path(home + "/version.py")
    if not file.exists:
        return "unknown"
    for line in ctx.read(file).split("\n"):
        if line.startswith("__version__ ="):
            return line.split("'")[1].replace(".", "_").replace("+", "_")
    return "unknown"

def _impl(ctx):
    env = ctx.os.environ
    home = env.get("LIBTORCH_HOME") or env.get("HOME", "") + "/.cache/stemma/torch-2.11.0/torch"
    lib = home + "/lib"
    if not ctx.path(lib + "/libtorch_cpu.so").exists:
        reason = "LibTorch not found in %s: run tools/setup or set LIBTORCH_HOME." % home
        write_missing(ctx, reason, ["cpu", "cuda"])
        return
    for entry in ctx.path(home + "/include").readdir():
        if entry.basename not in _SHADOWS:
            ctx.symlink(entry, "include/" + entry.basename)

    # An RPATH (old tags) is searched for what the libraries themselves need; a RUNPATH is not.
    # CUDA's libraries come from the toolkit, or else from the wheels beside LibTorch's.
    cuda = env.get("CUDA_HOME", "/usr/local/cuda")
    beside = [home + "/../nvidia/" + name + "/lib" for name in ["cu13", "cusparselt", "nvshmem"]]
    paths = ["-L" + lib, "-Wl,--disable-new-dtags"]
    for folder in [lib, cuda + "/lib64", cuda + "/extras/CUPTI/lib64"] + beside:
        if ctx.path(folder).exists:
            real = str(ctx.path(folder))
            paths += ["-Wl,-rpath," + real, "-Wl,-rpath-link," + real]
    ctx.file("BUILD.bazel", _BUILD.format(version = _version(ctx, home), paths = repr(paths)))

libtorch = repository_rule(
    implementation = _impl,
    local = True,
    configure = True,
    environ = ["LIBTORCH_HOME", "CUDA_HOME", "HOME"],
)
