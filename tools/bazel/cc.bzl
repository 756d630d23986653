"""Our C++ rules: the one place where warnings and defaults of our own code are set."""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_library", "cc_test")

STEMMA_COPTS = ["-Wall", "-Wextra", "-Wshadow", "-Wnon-virtual-dtor", "-Werror"]

def stemma_cc_library(name, copts = [], **kwargs):
    cc_library(name = name, copts = STEMMA_COPTS + copts, linkstatic = True, **kwargs)

def stemma_cc_binary(name, copts = [], **kwargs):
    cc_binary(name = name, copts = STEMMA_COPTS + copts, **kwargs)

def stemma_cc_test(name, deps = [], copts = [], size = "small", **kwargs):
    cc_test(
        name = name,
        size = size,
        copts = STEMMA_COPTS + copts,
        deps = deps + ["//tests/support:main"],
        **kwargs
    )
