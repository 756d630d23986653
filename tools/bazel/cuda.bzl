"""What --config=cuda switches."""

load("@cuda//:defs.bzl", "NVCC")
load("@rules_cc//cc:defs.bzl", "cc_library")

_ARCHS = ["80", "90"]

def if_cuda(yes, no = []):
    return select({"//:cuda": yes, "//conditions:default": no})

def needs_cuda():
    """For target_compatible_with: without --config=cuda, `//...` shows SKIPPED."""
    return select({"//:cuda": [], "//conditions:default": ["//:unavailable"]})

def stemma_cuda_library(name, srcs, hdrs = [], deps = [], **kwargs):
    """Compiles .cu files with nvcc. They include only what is in `hdrs`, and no LibTorch."""
    flags = "-std=c++17 -O3 -Xcompiler -fPIC"
    for arch in _ARCHS:
        flags += " -gencode arch=compute_%s,code=sm_%s" % (arch, arch)
    objects = []
    for src in srcs:
        object = src.replace(".cu", ".cu.pic.o")
        native.genrule(
            name = name + "_" + src.replace(".", "_"),
            srcs = [src] + hdrs,
            outs = [object],
            cmd = "%s %s -I. -c $(location %s) -o $@" % (NVCC, flags, src),
            target_compatible_with = needs_cuda(),
        )
        objects.append(object)
    cc_library(
        name = name,
        srcs = objects,
        hdrs = hdrs,
        deps = deps + ["@cuda//:cudart"],
        target_compatible_with = needs_cuda(),
        **kwargs
    )
