"""One of the workers of the demo: `serve_by_workers` starts it."""

from accelerator.demo.serve import work

if __name__ == "__main__":
    work()
