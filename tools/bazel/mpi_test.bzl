"""mpi_cc_test: one C++ test that Bazel runs as several MPI ranks."""

load("//tools/bazel:cc.bzl", "stemma_cc_binary")

def mpi_cc_test(
        name,
        srcs,
        deps = [],
        ranks = [1, 2, 3],
        size = "small",
        tags = [],
        args = [],
        data = [],
        **kwargs):
    """Declares NAME_np<R> for each R in `ranks`; all run the same binary.

    A rank is a process, so R cores are reserved. Tags, size, args and data go to the launched
    tests, everything else to the binary.
    """
    binary = name + "_bin"
    stemma_cc_binary(
        name = binary,
        testonly = True,
        srcs = srcs,
        deps = deps + ["//tests/support:mpi_main"],
        tags = [t for t in tags if t == "manual"],  # else --config=tidy must see it
        **kwargs
    )
    for r in ranks:
        native.sh_test(
            name = "%s_np%d" % (name, r),
            size = size,
            srcs = ["//tools/bazel:mpi_launch.sh"],
            args = ["$(rootpath @mpi//:mpirun)", str(r), "$(rootpath :%s)" % binary] + args,
            data = [":" + binary, "@mpi//:mpirun"] + data,
            tags = tags + ["mpi", "cpu:%d" % r],
        )
