"""Point the repositories that Bazel 4.2 would download at copies on disk."""

def offline_builtins():
    native.local_repository(name = "rules_cc", path = "tools/workspace/rules_cc_stub")
    native.local_repository(name = "rules_java", path = "/usr/share/bazel/rules/java")
    native.local_repository(name = "rules_proto", path = "/usr/share/bazel/rules/proto")
    native.local_repository(name = "platforms", path = "/usr/share/bazel/platforms")
    native.local_repository(name = "bazel_skylib", path = "/usr/share/bazel/tools/skylib")
    native.local_repository(name = "remote_coverage_tools", path = "tools/workspace/coverage_stub")
