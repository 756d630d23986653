"""What a repository holds when its software is absent: targets that load, and fail to build with the reason."""

_TARGET = """
genrule(
    name = "{name}_reason",
    srcs = ["error.log"],
    outs = ["{name}_error.h"],
    cmd = "cat $< >&2; false",
)
cc_library(name = "{name}", hdrs = [":{name}_error.h"])
"""

def write_missing(ctx, reason, names):
    ctx.file("error.log", reason + "\n")
    lines = ['package(default_visibility = ["//visibility:public"])']
    for name in names:
        lines.append(_TARGET.format(name = name))
    ctx.file("BUILD.bazel", "\n".join(lines) + "\n")
