"""The benchmarks' own parts; `make bench` measures."""
