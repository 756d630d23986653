"""What a repository holds when its software is absent: targets that load, and fail to build with
the reason."""

_TARGET = """
genrule(
    name = "{name}_reason",
    srcs = ["{name}_error.log"],
    outs = ["{name}_error.h"],
    cmd = "cat $< >&2; false",
)
cc_library(name = "{name}", hdrs = [":{name}_error.h"])
"""

def missing_targets(ctx, reason, names):
    """Returns the text of the targets `names`, each of which fails with `reason`."""
    lines = []
    for name in names:
        ctx.file(name + "_error.log", reason + "\n")
        lines.append(_TARGET.format(name = name))
    return "".join(lines)

def write_missing(ctx, reason, names):
    """Writes the BUILD file of a repository that has nothing but these targets."""
    header = 'package(default_visibility = ["//visibility:public"])\n'
    ctx.file("BUILD.bazel", header + missing_targets(ctx, reason, names))
