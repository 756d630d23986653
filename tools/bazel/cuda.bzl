"""What --config=cuda switches."""

load("@cuda//:defs.bzl", "NVCC", "VERSION")
load("@rules_cc//cc:defs.bzl", "cc_library")

# Turing, Ampere, Hopper, Blackwell; the last one also as PTX, which newer GPUs compile for
# themselves. CUDA 13 cannot compile for Volta (V100); a CUDA 12 toolkit adds it.
_ARCHS = ["75", "80", "90", "100"]

def _archs():
    archs = ["70"] + _ARCHS if VERSION[0] == 12 else _ARCHS
    return [a for a in archs if a != "100" or VERSION[0] > 12 or VERSION[1] >= 8]

def if_cuda(yes, no = []):
    return select({"//:cuda": yes, "//conditions:default": no})

def needs_cuda():
    """For target_compatible_with: without --config=cuda, `//...` shows SKIPPED."""
    return select({"//:cuda": [], "//conditions:default": ["//:unavailable"]})

def _nvcc_flags():
    # No FMA that the source does not spell out, as -ffp-contract=off on the host.
    flags = ["-std=c++17", "-O3", "-fmad=false", "-Xcompiler", "-fPIC,-Wall,-Werror"]
    archs = _archs()
    for arch in archs:
        flags.append("-gencode arch=compute_%s,code=sm_%s" % (arch, arch))
    flags.append("-gencode arch=compute_%s,code=compute_%s" % (archs[-1], archs[-1]))
    return " ".join(flags)

def stemma_cuda_library(name, srcs, hdrs = [], deps = [], **kwargs):
    """Compiles .cu files with nvcc. They include only what is in `hdrs`, and no LibTorch."""
    objects = []
    for src in srcs:
        object = src.replace(".cu", ".cu.pic.o")
        native.genrule(
            name = name + "_" + src.replace(".", "_"),
            srcs = [src] + hdrs,
            outs = [object],
            cmd = "%s %s -I. -c $(location %s) -o $@" % (NVCC, _nvcc_flags(), src),
            target_compatible_with = needs_cuda(),
        )
        objects.append(object)
    cc_library(
        name = name,
        srcs = objects,
        linkstatic = True,
        hdrs = hdrs,
        deps = deps + ["@cuda//:cudart"],
        target_compatible_with = needs_cuda(),
        **kwargs
    )
