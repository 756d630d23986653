"""Every repository Stemma uses. All are on this machine already; none is downloaded."""

load("//tools/workspace:libtorch.bzl", "libtorch")
load("//tools/workspace:offline.bzl", "offline_builtins")
load("//tools/workspace:system_cuda.bzl", "system_cuda")
load("//tools/workspace:system_library.bzl", "system_library")
load("//tools/workspace:system_mpi.bzl", "system_mpi")

def stemma_repositories():
    offline_builtins()
    libtorch(name = "libtorch")  # tensors and autograd
    system_mpi(name = "mpi")  # moves bytes between hosts, starts ranks
    system_cuda(name = "cuda")  # GPUs: runtime, NCCL, cuDNN, cuBLAS

    # Tests.
    system_library(name = "catch2", paths = ["catch2/catch.hpp"], package = "catch2")

    # SHA-256 for names; XXH3 for fast checks.
    system_library(
        name = "openssl",
        paths = ["openssl/evp.h"],
        package = "libssl-dev",
        linkopts = ["-lcrypto"],
    )
    system_library(
        name = "xxhash",
        paths = ["xxhash.h"],
        package = "libxxhash-dev",
        linkopts = ["-lxxhash"],
    )

    # Settings files with line and column of every key; JSON for metrics, reports and pack headers.
    system_library(name = "tomlplusplus", paths = ["toml++"], package = "libtomlplusplus-dev")
    system_library(name = "json", paths = ["nlohmann"], package = "nlohmann-json3-dev")

    # Formatted text and log sinks.
    system_library(
        name = "fmt",
        paths = ["fmt"],
        package = "libfmt-dev",
        linkopts = ["-lfmt"],
    )
    system_library(
        name = "spdlog",
        paths = ["spdlog"],
        package = "libspdlog-dev",
        defines = ["SPDLOG_COMPILED_LIB", "SPDLOG_FMT_EXTERNAL"],
        linkopts = ["-lspdlog", "-lfmt"],
    )

    # Images. jconfig.h is the compiler's own to find: it lies beside the libraries of one machine.
    system_library(
        name = "jpeg",
        paths = ["jpeglib.h", "jmorecfg.h", "jerror.h"],
        package = "libjpeg-dev",
        linkopts = ["-ljpeg"],
    )

    # Tables and sky images of scientists. Of HDF5 the serial flavour: Open MPI's has the same names
    # under other symbol versions, and two copies in one process do not go together.
    system_library(
        name = "hdf5",
        paths = ["hdf5/serial"],
        package = "libhdf5-dev",
        linkopts = ["-lhdf5_serial"],
    )
    system_library(
        name = "cfitsio",
        paths = ["fitsio.h", "longnam.h"],
        package = "libcfitsio-dev",
        linkopts = ["-lcfitsio"],
    )
