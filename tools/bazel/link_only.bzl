"""link_only: what its deps link, without the headers and flags they compile with.

A library that is built in two ways behind one header (comm/gpu) goes through it, so that what
includes that header is compiled by the same command either way, and --config=cuda rebuilds little.
"""

def _impl(ctx):
    merged = cc_common.merge_cc_infos(cc_infos = [dep[CcInfo] for dep in ctx.attr.deps])
    return [CcInfo(linking_context = merged.linking_context)]

link_only = rule(
    implementation = _impl,
    attrs = {"deps": attr.label_list(providers = [CcInfo], mandatory = True)},
)
