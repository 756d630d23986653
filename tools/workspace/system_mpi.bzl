"""@mpi: the MPI installed on this machine, as reported by its own mpicxx."""

_BUILD = """package(default_visibility = ["//visibility:public"])
cc_library(
    name = "mpi",
    hdrs = glob(["include/**"]),
    includes = {includes},
    defines = ["OMPI_SKIP_MPICXX=1", "MPICH_SKIP_MPICXX=1"],
    linkopts = {linkopts},
)
exports_files(["mpirun"])
"""

# When MPI is absent the repository still loads; only a target that needs it fails, with the reason.
_MISSING = """package(default_visibility = ["//visibility:public"])
genrule(name = "reason", srcs = ["error.log"], outs = ["error.h"], cmd = "cat $< >&2; false")
cc_library(name = "mpi", hdrs = [":error.h"])
genrule(name = "mpirun", srcs = ["error.log"], outs = ["mpirun.sh"], cmd = "cat $< >&2; false")
"""

def _flags(ctx, tool, what):
    result = ctx.execute([tool, "--showme:" + what])
    if result.return_code != 0:
        fail("%s --showme:%s failed: %s" % (tool, what, result.stderr))
    return [f for f in result.stdout.strip().split(" ") if f]

def _impl(ctx):
    home = ctx.os.environ.get("MPI_HOME", "")
    mpicxx = ctx.path(home + "/bin/mpicxx") if home else ctx.which("mpicxx")
    mpirun = ctx.path(home + "/bin/mpirun") if home else ctx.which("mpirun")
    if not mpicxx or not mpirun or not mpicxx.exists or not mpirun.exists:
        reason = "MPI not found: install OpenMPI (mpicxx, mpirun on PATH) or set MPI_HOME."
        ctx.file("error.log", reason + "\n")
        ctx.file("BUILD.bazel", _MISSING)
        return
    includes = []
    for flag in _flags(ctx, mpicxx, "compile"):
        if flag.startswith("-I"):
            real = flag[2:]
            name = "include/" + real.strip("/").replace("/", "_")
            ctx.symlink(real, name)
            includes.append(name)
    # The C bindings only: -lmpi_cxx is the removed C++ interface.
    linkopts = [f for f in _flags(ctx, mpicxx, "link") if f != "-lmpi_cxx"]
    ctx.symlink(mpirun, "mpirun")
    ctx.file("BUILD.bazel", _BUILD.format(includes = repr(includes), linkopts = repr(linkopts)))

system_mpi = repository_rule(
    implementation = _impl,
    local = True,
    configure = True,
    environ = ["MPI_HOME", "PATH"],
)
