#!/usr/bin/env bash
exec python3 tests/unit/tools/figures_test.py
