"""The benchmarks, one file each: the file's name is the benchmark's, its `BENCHMARK` says what it is.

Adding one is adding a file here; `benchmarks.sets=[<name>]` then evaluates on it.
"""
