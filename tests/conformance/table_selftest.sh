#!/usr/bin/env bash
exec python3 tests/conformance/table_selftest.py
