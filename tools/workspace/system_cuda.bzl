"""@cuda: the CUDA toolkit with NCCL and cuDNN in $CUDA_HOME (default /usr/local/cuda)."""

load("//tools/workspace:missing.bzl", "write_missing")

_BUILD = """package(default_visibility = ["//visibility:public"])
cc_library(
    name = "cudart",
    hdrs = glob(["include/**"], exclude = ["include/nccl*.h", "include/cudnn*.h"]),
    includes = ["include"],
    linkopts = ["-L{lib}", "-Wl,-rpath,{lib}", "-lcudart"],
)
cc_library(
    name = "nccl",
    hdrs = glob(["include/nccl*.h"]),
    includes = ["include"],
    linkopts = ["-lnccl"],
    deps = [":cudart"],
)
"""

def _impl(ctx):
    home = ctx.os.environ.get("CUDA_HOME", "/usr/local/cuda")
    if not ctx.path(home + "/bin/nvcc").exists:
        reason = "CUDA toolkit not found in %s: install it or set CUDA_HOME." % home
        write_missing(ctx, reason, ["cudart", "nccl"])
        ctx.file("defs.bzl", 'NVCC = "echo %s >&2; false"\n' % reason)
        return
    ctx.symlink(home + "/include", "include")
    ctx.file("defs.bzl", 'NVCC = "%s/bin/nvcc"\n' % home)
    ctx.file("BUILD.bazel", _BUILD.format(lib = home + "/lib64"))

system_cuda = repository_rule(
    implementation = _impl,
    local = True,
    configure = True,
    environ = ["CUDA_HOME"],
)
