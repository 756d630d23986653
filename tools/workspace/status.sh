#!/bin/sh
# What bazel asks before each build: the commit, for `stemma version`. Volatile (no STABLE_ before
# it), so a new commit alone rebuilds nothing: a program is stamped when it is linked. Never fails:
# an unpacked archive has no git, and is built all the same.
commit=$(git rev-parse --short=12 HEAD 2>/dev/null) || commit=unknown
[ -z "$(git status --porcelain --untracked-files=no 2>/dev/null)" ] || commit="$commit+changes"
echo "STEMMA_COMMIT $commit"
