"""An aspect that runs clang-tidy on every C++ source of the targets named on the command line."""

_FLAGS = ["-std=c++17"]

def _impl(target, ctx):
    if CcInfo not in target or not hasattr(ctx.rule.files, "srcs"):
        return []
    cc = target[CcInfo].compilation_context
    flags = list(_FLAGS)
    flags += ["-I" + d for d in cc.includes.to_list()]
    for d in cc.quote_includes.to_list():
        flags += ["-iquote", d]
    for d in cc.system_includes.to_list():
        flags += ["-isystem", d]
    flags += ["-D" + d for d in cc.defines.to_list() + cc.local_defines.to_list()]
    reports = []
    for src in ctx.rule.files.srcs:
        if src.extension not in ["cc", "cpp"] or not src.is_source or src.owner.workspace_name:
            continue
        report = ctx.actions.declare_file(src.basename + ".tidy." + ctx.rule.attr.name)
        ctx.actions.run_shell(
            inputs = depset([src, ctx.file._config], transitive = [cc.headers]),
            outputs = [report],
            command = "clang-tidy --quiet --config-file=$1 $2 -- \"${@:4}\" > $3 2>$3.err" +
                      " || { cat $3; exit 1; }",
            arguments = [ctx.file._config.path, src.path, report.path] + flags,
            mnemonic = "ClangTidy",
            progress_message = "clang-tidy " + src.short_path,
            use_default_shell_env = True,
        )
        reports.append(report)
    return [OutputGroupInfo(tidy = depset(reports))]

clang_tidy = aspect(
    implementation = _impl,
    attrs = {"_config": attr.label(default = "//:.clang-tidy", allow_single_file = True)},
)
