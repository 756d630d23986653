"""@cuda: the CUDA toolkit in $CUDA_HOME (default /usr/local/cuda), with cuBLAS, NCCL and cuDNN.

NCCL and cuDNN are looked for in $NCCL_HOME and $CUDNN_HOME, then in the toolkit, then where
distributions put them. What is absent fails only the targets that need it, with the reason."""

load("//tools/workspace:missing.bzl", "missing_targets")

# hdrs names the folder, not its files: see libtorch.bzl, and for the version as a define.
_CUDART = """
cc_library(
    name = "cudart",
    hdrs = ["include"],
    defines = ["STEMMA_CUDA_{version}"],
    includes = ["include"],
    linkopts = ["-L{lib}", "-Wl,--disable-new-dtags", "-Wl,-rpath,{lib}", "-lcudart"],
)
"""

_LIBRARY = """
cc_library(
    name = "{name}",
    hdrs = ["{name}/include"],
    includes = ["{name}/include"],
    linkopts = ["-L{lib}", "-Wl,--disable-new-dtags", "-Wl,-rpath,{lib}", "-l{library}"],
    deps = [":cudart"],
)
"""

# name -> the start of its headers' names, its library
_LIBRARIES = {
    "cublas": ("cublas", "cublas"),
    "cudnn": ("cudnn", "cudnn"),
    "nccl": ("nccl", "nccl"),
}

def _version(ctx, home):
    header = ctx.path(home + "/include/cuda.h")
    for line in ctx.read(header).split("\n") if header.exists else []:
        if line.startswith("#define CUDA_VERSION"):
            number = int(line.split(" ")[-1])
            return [number // 1000, number % 1000 // 10]
    return [0, 0]

def _folders(ctx, name, home):
    """Pairs of include and library folder where `name` may be."""
    own = ctx.os.environ.get(name.upper() + "_HOME", "")
    found = [(own + "/include", own + "/lib"), (own + "/include", own + "/lib64")] if own else []
    return found + [
        (home + "/include", home + "/lib64"),
        ("/usr/include", "/usr/lib/x86_64-linux-gnu"),
        ("/usr/local/include", "/usr/local/lib"),
    ]

def _library(ctx, name, home):
    prefix, library = _LIBRARIES[name]
    for include, lib in _folders(ctx, name, home):
        if not ctx.path("%s/%s.h" % (include, prefix)).exists:
            continue
        if not ctx.path("%s/lib%s.so" % (lib, library)).exists:
            continue
        for entry in ctx.path(include).readdir():
            if entry.basename.startswith(prefix):
                ctx.symlink(entry, "%s/include/%s" % (name, entry.basename))
        return _LIBRARY.format(name = name, lib = lib, library = library)
    variable = name.upper() + "_HOME"
    reason = "%s not found (%s.h, lib%s.so): install its development files or set %s."
    return missing_targets(ctx, reason % (name, prefix, library, variable), [name])

def _impl(ctx):
    home = ctx.os.environ.get("CUDA_HOME", "/usr/local/cuda")
    header = 'package(default_visibility = ["//visibility:public"])\n'
    if not ctx.path(home + "/bin/nvcc").exists:
        reason = "CUDA toolkit not found in %s: install it or set CUDA_HOME." % home
        text = missing_targets(ctx, reason, ["cudart"] + _LIBRARIES.keys())
        ctx.file("BUILD.bazel", header + text)
        ctx.file("defs.bzl", 'NVCC = "echo %s >&2; false"\nVERSION = [0, 0]\n' % reason)
        return
    version = _version(ctx, home)
    ctx.symlink(home + "/include", "include")
    text = _CUDART.format(version = "_".join([str(n) for n in version]), lib = home + "/lib64")
    for name in _LIBRARIES:
        text += _library(ctx, name, home)
    ctx.file("BUILD.bazel", header + text)
    ctx.file("defs.bzl", 'NVCC = "%s/bin/nvcc"\nVERSION = %s\n' % (home, repr(version)))

system_cuda = repository_rule(
    implementation = _impl,
    local = True,
    configure = True,
    environ = ["CUDA_HOME", "NCCL_HOME", "CUDNN_HOME"],
)
