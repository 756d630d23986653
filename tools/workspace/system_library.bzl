"""@<name>: one library of the operating system, found by its header. Its headers are copied links,
so that only targets that depend on it can include them by that path; a machine without it still
loads the tree, and a target that needs it fails with what to install."""

load("//tools/workspace:missing.bzl", "write_missing")

_BUILD = """package(default_visibility = ["//visibility:public"])
cc_library(
    name = "{name}",
    hdrs = {hdrs},
    includes = ["include"],
    defines = {defines},
    linkopts = {linkopts},
)
"""

def _impl(ctx):
    for path in ctx.attr.paths:
        if not ctx.path("/usr/include/" + path).exists:
            reason = "%s not found (/usr/include/%s): install Debian's %s."
            write_missing(ctx, reason % (ctx.name, path, ctx.attr.package), [ctx.name])
            return
    for path in ctx.attr.paths:
        ctx.symlink("/usr/include/" + path, "include/" + path)
    ctx.file("BUILD.bazel", _BUILD.format(
        name = ctx.name,
        hdrs = repr(["include/" + p for p in ctx.attr.paths]),
        defines = repr(ctx.attr.defines),
        linkopts = repr(ctx.attr.linkopts),
    ))

system_library = repository_rule(
    implementation = _impl,
    local = True,
    configure = True,
    attrs = {
        "paths": attr.string_list(mandatory = True),  # below /usr/include
        "package": attr.string(mandatory = True),  # what to install on Debian
        "defines": attr.string_list(),
        "linkopts": attr.string_list(),
    },
)
